/*-------------------------------------------------------------------------
 *
 * verify_rights.c
 *	  Is the engine itself as it was installed: a part of workorder.verify().
 *
 * Its tables must survive a crash, belong to one owner, and be written by
 * nobody else where that would be a way round the flow; what isolates tenants
 * and tells sessions of new rules must be on; its functions must be those of
 * this library, with their path pinned; and no role that is not a superuser
 * may switch triggers off, work as maintenance or set the clock.  All of this
 * is in the catalog, so two queries ask for all of it.
 *
 * What grant_access() gives is no finding, nor is what an administrator of
 * people gets: INSERT, UPDATE and DELETE on actor, membership and the tables
 * of settings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "lookup.h"
#include "verify.h"

/* Whoever may put a trigger on a table decides what others' statements do. */
static const char *const grants_query =
	"SELECT c.oid, 'rights', pg_catalog.format('role %I may make triggers on the table',"
	" CASE WHEN x.grantee OPERATOR(pg_catalog.=) 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(x.grantee) END)"
	" FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) x"
	" WHERE c.oid OPERATOR(pg_catalog.=) $1 AND x.privilege_type OPERATOR(pg_catalog.=) 'TRIGGER'"
	" AND x.grantee OPERATOR(pg_catalog.<>) c.relowner";

static const char *const engine_query =
	"WITH ours AS MATERIALIZED ("
	" SELECT c.oid, c.relname, c.relowner, c.relpersistence, c.relrowsecurity, c.relacl"
	" FROM pg_catalog.pg_class c WHERE c.relkind OPERATOR(pg_catalog.=) 'r'"
	" AND c.relnamespace OPERATOR(pg_catalog.=) 'workorder'::pg_catalog.regnamespace"
	/* a table of the user's that happens to be there is none of ours */
	" AND NOT EXISTS (SELECT FROM workorder.guarded g WHERE g.relation OPERATOR(pg_catalog.=) c.oid)),"
	" code AS MATERIALIZED ("
	" SELECT p.oid, p.pronamespace::pg_catalog.regnamespace AS schema, p.proname, p.probin, p.prosrc, p.proconfig, p.prosecdef, p.prosqlbody, p.proacl, p.proowner, l.lanname"
	" FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang"
	" JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass"
	" AND d.objid OPERATOR(pg_catalog.=) p.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'"
	" JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid"
	" WHERE e.extname OPERATOR(pg_catalog.=) 'workorder'),"
	" granted AS MATERIALIZED ("
	" SELECT o.oid, o.relname, x.grantee, x.privilege_type FROM ours o,"
	" LATERAL (SELECT o.relacl AS acl UNION ALL SELECT a.attacl FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) o.oid) t,"
	" pg_catalog.aclexplode(t.acl) x WHERE x.grantee OPERATOR(pg_catalog.<>) o.relowner"
	/* what 17 has besides, to vacuum and the like */
	" AND x.privilege_type OPERATOR(pg_catalog.<>) 'MAINTAIN')"
	/* tables */
	" SELECT o.oid, 'unlogged', pg_catalog.format('workorder.%I is unlogged: a crash empties it', o.relname)"
	" FROM ours o WHERE o.relpersistence OPERATOR(pg_catalog.<>) 'p' AND o.relname OPERATOR(pg_catalog.<>) 'journal'"
	" UNION ALL SELECT o.oid, 'owner', pg_catalog.format('workorder.%I belongs to another role than the journal', o.relname)"
	" FROM ours o WHERE o.relowner OPERATOR(pg_catalog.<>)"
	" (SELECT j.relowner FROM ours j WHERE j.relname OPERATOR(pg_catalog.=) 'journal')"
	/* who else may write */
	" UNION ALL SELECT g.oid, 'rights', pg_catalog.format('role %I has %s on workorder.%I',"
	" CASE WHEN g.grantee OPERATOR(pg_catalog.=) 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(g.grantee) END,"
	" pg_catalog.string_agg(DISTINCT g.privilege_type, ', ' ORDER BY g.privilege_type), g.relname) FROM granted g"
	" WHERE g.privilege_type OPERATOR(pg_catalog.=) 'TRIGGER'"
	" OR g.relname OPERATOR(pg_catalog.=) ANY ('{password,secret}')"
	" OR (g.privilege_type OPERATOR(pg_catalog.<>) 'SELECT' AND g.relname OPERATOR(pg_catalog.=) ANY"
	" ('{flow,guarded,installation,journal,seal,sealed,timer,task,part,deputy,tally,tally_change,outbox,event,idempotency,reply,attached,attachment,api,route}'))"
	" GROUP BY g.oid, g.relname, g.grantee"
	" UNION ALL SELECT NULL, 'rights', pg_catalog.format('role %I may make objects in schema workorder',"
	" CASE WHEN x.grantee OPERATOR(pg_catalog.=) 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(x.grantee) END)"
	" FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) x"
	" WHERE n.nspname OPERATOR(pg_catalog.=) 'workorder' AND x.privilege_type OPERATOR(pg_catalog.=) 'CREATE'"
	" AND x.grantee OPERATOR(pg_catalog.<>) n.nspowner"
	" AND x.grantee OPERATOR(pg_catalog.<>) (SELECT j.relowner FROM ours j WHERE j.relname OPERATOR(pg_catalog.=) 'journal')"
	/* what tells sessions of new rules, and keeps the published ones */
	" UNION ALL SELECT o.oid, CASE WHEN t.oid IS NULL THEN 'trigger_missing' ELSE 'trigger_disabled' END,"
	" pg_catalog.format(CASE WHEN t.oid IS NULL THEN 'workorder.%I has no trigger %I' ELSE 'the trigger of workorder.%I called %I does not fire when it should' END, w.relname, w.tgname)"
	" FROM (VALUES ('flow', 'immutable', 'O'), ('flow', 'signal', 'A'), ('actor', 'signal', 'A'), ('membership', 'signal', 'A'),"
	" ('api', 'signal', 'A'), ('route', 'signal', 'A')) w (relname, tgname, tgenabled)"
	" JOIN ours o ON o.relname OPERATOR(pg_catalog.=) w.relname"
	" LEFT JOIN pg_catalog.pg_trigger t ON t.tgrelid OPERATOR(pg_catalog.=) o.oid AND t.tgname OPERATOR(pg_catalog.=) w.tgname"
	" WHERE t.tgenabled IS DISTINCT FROM w.tgenabled::pg_catalog.\"char\""
	/* what keeps tenants apart */
	" UNION ALL SELECT o.oid, CASE WHEN NOT o.relrowsecurity THEN 'row_security' WHEN p.oid IS NULL THEN 'policy_missing' ELSE 'policy_changed' END,"
	" pg_catalog.format(CASE WHEN NOT o.relrowsecurity THEN 'row-level security of workorder.%I is off'"
	" WHEN p.oid IS NULL THEN 'workorder.%I has no policy that keeps tenants apart'"
	" ELSE 'the policy of workorder.%I does not keep tenants apart' END, o.relname)"
	" FROM ours o LEFT JOIN pg_catalog.pg_policy p ON p.polrelid OPERATOR(pg_catalog.=) o.oid AND p.polname OPERATOR(pg_catalog.=) 'tenant'"
	" WHERE o.relname OPERATOR(pg_catalog.=) ANY ('{actor,membership,counter,setting,dictionary,calendar,working_hour,holiday}')"
	" AND NOT (o.relrowsecurity AND p.polcmd OPERATOR(pg_catalog.=) '*' AND p.polpermissive AND p.polroles OPERATOR(pg_catalog.=) '{0}'"
	" AND p.polwithcheck IS NULL AND pg_catalog.pg_get_expr(p.polqual, p.polrelid) OPERATOR(pg_catalog.=) '(tenant_id = workorder.tenant_id())') IS TRUE"
	/* functions */
	" UNION ALL SELECT NULL, 'function_changed', pg_catalog.format('function %s.%I() %s', c.schema, c.proname,"
	" CASE WHEN c.prosecdef THEN 'runs as its owner' WHEN c.lanname OPERATOR(pg_catalog.=) 'c' THEN 'calls another library'"
	" ELSE 'does not pin its path' END)"
	" FROM code c WHERE c.prosecdef OR (c.lanname OPERATOR(pg_catalog.=) 'c'"
	" AND (c.probin OPERATOR(pg_catalog.<>) '$libdir/workorder' OR NOT pg_catalog.starts_with(c.prosrc, 'workorder_')))"
	" OR (c.lanname OPERATOR(pg_catalog.=) ANY ('{sql,plpgsql}') AND c.prosqlbody IS NULL"
	" AND (c.proconfig IS NULL OR NOT 'search_path=pg_catalog, pg_temp' OPERATOR(pg_catalog.=) ANY (c.proconfig)))"
	" UNION ALL SELECT NULL, 'rights', pg_catalog.format('everybody may call function %s.%I()', c.schema, c.proname)"
	" FROM code c WHERE c.proacl IS NULL OR EXISTS (SELECT FROM pg_catalog.aclexplode(c.proacl) x WHERE x.grantee OPERATOR(pg_catalog.=) 0)"
	/* settings */
	" UNION ALL SELECT NULL, 'rights', pg_catalog.format('role %I may set %s',"
	" CASE WHEN x.grantee OPERATOR(pg_catalog.=) 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(x.grantee) END, p.parname)"
	" FROM pg_catalog.pg_parameter_acl p, pg_catalog.aclexplode(p.paracl) x"
	" WHERE p.parname OPERATOR(pg_catalog.=) ANY ('{session_replication_role,workorder.maintenance,workorder.now}')"
	" AND x.grantee OPERATOR(pg_catalog.<>) 10"
	" AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid OPERATOR(pg_catalog.=) x.grantee AND r.rolsuper)"
	" ORDER BY 2, 3";

/*
 * report_all reports what a query finds: (table or null, code, message).
 */
static void
report_all(WoVerify *v, Oid owner_of, const char *query, int nargs, Oid *types, Datum *values)
{
	WoStream	stream;
	HeapTuple	tuple;

	wo_stream_open(&stream, owner_of, query, nargs, types, values);
	while ((tuple = wo_stream_next(&stream)) != NULL)
	{
		TupleDesc	desc = stream.batch->tupdesc;
		bool		isnull;
		Datum		relid = SPI_getbinval(tuple, desc, 1, &isnull);

		v->relid = isnull ? InvalidOid : DatumGetObjectId(relid);
		wo_verify_report(v, WO_NO_TICKET, WO_NO_REVISION, SPI_getvalue(tuple, desc, 2), "%s",
						 SPI_getvalue(tuple, desc, 3));
	}
	wo_stream_close(&stream);
}

/*
 * wo_verify_grants tells who may get round the guard of a table by a right on it.
 */
void
wo_verify_grants(WoVerify *v)
{
	Oid			types[1] = {OIDOID};
	Datum		values[1] = {ObjectIdGetDatum(v->relid)};

	report_all(v, v->relid, grants_query, 1, types, values);
	v->relid = DatumGetObjectId(values[0]);
}

/*
 * wo_verify_engine tells what is not as it was installed.
 */
void
wo_verify_engine(WoVerify *v)
{
	report_all(v, wo_lookup_table("journal", false), engine_query, 0, NULL, NULL);
}
