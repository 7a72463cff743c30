/*
 * no_nls.c: translation that does nothing.  The sanitizers' runtime and that
 * of gettext wait for each other when both come before main().
 */
#pragma GCC diagnostic ignored "-Wall"

char *bindtextdomain(const char *domain, const char *dir) { return (char *) dir; }
char *bind_textdomain_codeset(const char *domain, const char *codeset) { return (char *) codeset; }
char *textdomain(const char *domain) { return (char *) domain; }
char *gettext(const char *id) { return (char *) id; }
char *dgettext(const char *domain, const char *id) { return (char *) id; }
char *dcgettext(const char *domain, const char *id, int category) { return (char *) id; }
char *ngettext(const char *one, const char *many, unsigned long n) { return (char *) (n == 1 ? one : many); }
char *dngettext(const char *domain, const char *one, const char *many, unsigned long n) { return (char *) (n == 1 ? one : many); }
