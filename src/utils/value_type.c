/*-------------------------------------------------------------------------
 *
 * value_type.c
 *	  How the values of a type are written as JSON.
 *
 * Owns a small cache of facts about types that are not built in, in a child
 * of CacheMemoryContext; a change of pg_type makes it stale (cache.c), and
 * the next look-up empties it.  Look-ups copy the facts out, so nobody holds
 * a pointer into the table.
 *
 * Only value.c, value_size.c and jsonb_writer.c call this.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "utils/xml.h"

#include "utils/cache.h"
#include "utils/value_type.h"

/* utils/pg_locale.h declares it, and from 17 on wants ICU's headers for that */
extern PGDLLIMPORT char *locale_monetary;

typedef struct Pin
{
	const char *name;
	const char *value;
} Pin;

/* What output functions follow. */
static const Pin output_pins[] = {
	{"datestyle", "ISO"},
	{"timezone", "UTC"},
	{"intervalstyle", "postgres"},
	{"bytea_output", "hex"},
	{"extra_float_digits", "1"},
	{"lc_monetary", "C"},
	{"search_path", "pg_catalog"},
};

/*
 * What input functions follow and the canonical form does not settle: money
 * has no notation of its own, and xml content is refused under "document".
 * Times without a zone are read as the session reads them, since people write
 * them that way; the canonical form always has the zone.
 */
static const Pin input_pins[] = {
	{"lc_monetary", "C"},
	{"xmloption", "content"},
};

/* One backend's facts about types; emptied when pg_type changes. */
static HTAB *type_cache = NULL;
static WoCache state = {.syscache = TYPEOID};

static bool is_plain(Oid type);
static bool is_settled(Oid type);
static int	pin(const Pin *pins, int npins);

/* Copies out what is known about a type, asking the catalog the first time. */
void
wo_value_type_lookup(Oid type, WoTypeInfo *info)
{
	WoTypeInfo   *entry;
	TypeCacheEntry *typcache;
	bool		isvarlena;
	uint64		begun;

	if (!wo_cache_current(&state))
	{
		uint64		emptied = wo_cache_begin(&state);
		HASHCTL		control;

		/* Callers hold copies, so that emptying the table frees nothing in use. */
		if (type_cache != NULL)
			hash_destroy(type_cache);
		type_cache = NULL;

		memset(&control, 0, sizeof(control));
		control.keysize = sizeof(Oid);
		control.entrysize = sizeof(WoTypeInfo);
		control.hcxt = CacheMemoryContext;
		type_cache = hash_create("workorder types", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		wo_cache_done(&state, emptied);
	}

	entry = hash_search(type_cache, &type, HASH_FIND, NULL);
	if (entry != NULL)
	{
		*info = *entry;
		return;
	}

	/* Every fact first: reading the catalog may make the table stale, and have it emptied. */
	begun = wo_cache_begin(&state);
	memset(info, 0, sizeof(WoTypeInfo));
	info->type = type;
	info->base = getBaseType(type);
	typcache = lookup_type_cache(info->base, 0);
	info->element = get_element_type(info->base);
	getTypeOutputInfo(info->base, &info->output, &isvarlena);

	if (is_plain(info->base))
		info->kind = WO_TYPE_PLAIN;
	else if (info->base == JSONBOID)
		info->kind = WO_TYPE_JSONB;
	else if (info->base == JSONOID)
		info->kind = WO_TYPE_JSON;
	else if (OidIsValid(info->element))
	{
		info->kind = WO_TYPE_ARRAY;
		get_typlenbyvalalign(info->element, &info->elmlen, &info->elmbyval, &info->elmalign);
	}
	else if (typcache->typtype == TYPTYPE_COMPOSITE)
		info->kind = WO_TYPE_COMPOSITE;
	else
		info->kind = WO_TYPE_TEXT;

	info->settled = info->kind == WO_TYPE_PLAIN || typcache->typtype == TYPTYPE_ENUM ||
		is_settled(info->base);
	if (info->kind == WO_TYPE_ARRAY)
	{
		WoTypeInfo	element;

		/*
		 * Written as text, an array uses its element's output function, and
		 * that of a plain type may follow a setting that encode_plain() does
		 * not.
		 */
		wo_value_type_lookup(info->element, &element);
		info->settled = element.kind == WO_TYPE_PLAIN ? is_settled(element.base)
			: (element.kind == WO_TYPE_TEXT && element.settled);
	}

	/* A change in between means that what was read may be old already. */
	if (wo_cache_begin(&state) == begun)
	{
		entry = hash_search(type_cache, &type, HASH_ENTER, NULL);
		*entry = *info;
	}
}

/*
 * Pins the settings that output functions follow and returns the level for
 * AtEOXact_GUC(true, level).
 */
int
wo_value_type_pin_output(void)
{
	return pin(output_pins, lengthof(output_pins));
}

/*
 * Pins the settings that input functions follow, as wo_value_type_pin_output()
 * does; -1 if they are as they should be.
 */
int
wo_value_type_pin_input(void)
{
	if (strcmp(locale_monetary, "C") == 0 && xmloption == XMLOPTION_CONTENT)
		return -1;
	return pin(input_pins, lengthof(input_pins));
}

static int
pin(const Pin *pins, int npins)
{
	int			level = NewGUCNestLevel();

	for (int i = 0; i < npins; i++)
		(void) set_config_option(pins[i].name, pins[i].value, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/* Says whether encode_plain() writes the type. */
static bool
is_plain(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case FLOAT4OID:
		case FLOAT8OID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case TIMESTAMPTZOID:
		case TIMESTAMPOID:
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case UUIDOID:
		case BYTEAOID:
			return true;
		default:
			return false;
	}
}

/* Says whether a built-in type's output function follows no setting. */
static bool
is_settled(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case UUIDOID:
		case JSONOID:
		case JSONBOID:
		case OIDOID:
		case INETOID:
		case CIDROID:
		case MACADDROID:
		case MACADDR8OID:
		case BITOID:
		case VARBITOID:
			return true;
		default:
			return false;
	}
}
