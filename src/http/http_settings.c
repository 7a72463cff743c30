/*-------------------------------------------------------------------------
 *
 * http_settings.c
 *	  The settings of an API and of a route.
 *
 * They are read once, when the routes are compiled.  A value of the wrong
 * type is logged and left out, so that a slip in one API does not close the
 * others; keys that are not known here are the add-on's own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "http/http_settings.h"

#define DEFAULT_ACCEPT		"application/json"
#define DEFAULT_MAX_BODY	(1024 * 1024)

static bool get(Jsonb *settings, const char *key, JsonbValue *value);
static void complain(const char *key, const char *wanted);
static bool get_bool(Jsonb *settings, const char *key, bool otherwise);
static const char *get_string(Jsonb *settings, const char *key);
static Jsonb *get_object(Jsonb *settings, const char *key);
static bool to_size(const JsonbValue *value, int64 *size);
static const char **read_texts(JsonbContainer *list, const char *key, const char *wanted, int *n);
static void read_limits(JsonbContainer *object, WoBodyRules *rules);

/*
 * wo_http_read_settings fills in what workorder.api.settings says.
 */
void
wo_http_read_settings(Jsonb *settings, WoApi *api)
{
	JsonbValue	members;

	memset(&api->body, 0, sizeof(api->body));
	api->body.naccepted = 1;
	api->body.accepted = palloc(sizeof(char *));
	api->body.accepted[0] = DEFAULT_ACCEPT;
	api->body.max_body = DEFAULT_MAX_BODY;
	wo_http_read_body_rules(settings, &api->body);

	api->messages = get_object(settings, "messages");
	api->sqlstates = get_object(settings, "sqlstates");
	api->members = NULL;
	if (get(settings, "members", &members))
	{
		if (members.type == jbvBinary && JsonContainerIsArray(members.val.binary.data))
			api->members = read_texts(members.val.binary.data, "members", "a list of roles", &api->nmembers);
		else
			complain("members", "a list of roles");
	}
	api->identify = get_string(settings, "identify");
	api->run_as = get_string(settings, "run_as");
	api->run_as_anonymous = get_bool(settings, "run_as_anonymous", false);
}

/*
 * wo_http_read_body_rules changes the rules that the settings have a word on.
 */
void
wo_http_read_body_rules(Jsonb *settings, WoBodyRules *rules)
{
	JsonbValue	value;

	if (get(settings, "accept", &value))
	{
		if (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data))
			rules->accepted = read_texts(value.val.binary.data, "accept", "a list of media types", &rules->naccepted);
		else
			complain("accept", "a list of media types");
	}
	if (get(settings, "max_body", &value))
	{
		if (value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data))
			read_limits(value.val.binary.data, rules);
		else if (!to_size(&value, &rules->max_body))
			complain("max_body", "a number of bytes, or an object of such");
		else
			rules->nlimits = 0;
	}
	rules->object = get_bool(settings, "object", rules->object);
}

/*
 * get finds a key of the settings.
 */
static bool
get(Jsonb *settings, const char *key, JsonbValue *value)
{
	return settings != NULL && JB_ROOT_IS_OBJECT(settings) &&
		getKeyJsonValueFromContainer(&settings->root, key, strlen(key), value) != NULL &&
		value->type != jbvNull;
}

static void
complain(const char *key, const char *wanted)
{
	ereport(LOG,
			(errmsg("setting \"%s\" of an API or route is ignored", key),
			 errdetail("It must be %s.", wanted)));
}

static bool
get_bool(Jsonb *settings, const char *key, bool otherwise)
{
	JsonbValue	value;

	if (!get(settings, key, &value))
		return otherwise;
	if (value.type == jbvBool)
		return value.val.boolean;
	complain(key, "true or false");
	return otherwise;
}

static const char *
get_string(Jsonb *settings, const char *key)
{
	JsonbValue	value;

	if (!get(settings, key, &value))
		return NULL;
	if (value.type == jbvString)
		return pnstrdup(value.val.string.val, value.val.string.len);
	complain(key, "text");
	return NULL;
}

static Jsonb *
get_object(Jsonb *settings, const char *key)
{
	JsonbValue	value;

	if (!get(settings, key, &value))
		return NULL;
	if (value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data))
		return JsonbValueToJsonb(&value);
	complain(key, "an object");
	return NULL;
}

/*
 * to_size reads a number of bytes; what is not one is false.
 */
static bool
to_size(const JsonbValue *value, int64 *size)
{
	bool		failed = false;
	int32		number;

	if (value->type != jbvNumeric)
		return false;
	number = wo_numeric_int4(value->val.numeric, &failed);
	if (failed || number < 0)
		return false;
	*size = number;
	return true;
}

/*
 * read_texts reads a list of texts.
 */
static const char **
read_texts(JsonbContainer *list, const char *key, const char *wanted, int *n)
{
	const char **texts = palloc(sizeof(char *) * (JsonContainerSize(list) + 1));
	JsonbIterator *it = JsonbIteratorInit(list);
	JsonbValue	value;
	JsonbIteratorToken token;

	*n = 0;
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (value.type == jbvString)
			texts[(*n)++] = pnstrdup(value.val.string.val, value.val.string.len);
		else
			complain(key, wanted);
	}
	return texts;
}

/*
 * read_limits reads an object of media types and numbers of bytes.
 */
static void
read_limits(JsonbContainer *object, WoBodyRules *rules)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue	value;
	JsonbIteratorToken token;
	const char *key = NULL;

	rules->nlimits = 0;
	rules->limited = palloc(sizeof(char *) * (JsonContainerSize(object) + 1));
	rules->limits = palloc(sizeof(int64) * (JsonContainerSize(object) + 1));
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
		{
			if (to_size(&value, &rules->limits[rules->nlimits]))
				rules->limited[rules->nlimits++] = key;
			else
				complain("max_body", "a number of bytes, or an object of such");
		}
	}
}
