-- All that an upgrade of the server has to keep, as text: the rows of every
-- table, sequences, definitions, rights and comments.  Names stand in for OIDs.
SET client_min_messages = warning;
SET search_path = '';

CREATE TEMPORARY VIEW ours AS
SELECT c.oid, c.oid::pg_catalog.regclass AS name, c.relkind, c.relowner, c.reloptions, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)';

SELECT pg_catalog.format('SELECT %L, pg_catalog.count(*), pg_catalog.md5(pg_catalog.string_agg(t::text, ''|'' ORDER BY t::text COLLATE "C")) FROM %s AS t',
  'rows of ' || name::text, name)
FROM pg_temp.ours WHERE relkind IN ('r', 'p') ORDER BY name::text COLLATE "C" \gexec

SELECT pg_catalog.format('SELECT %L, last_value, is_called FROM %s', 'sequence ' || name::text, name)
FROM pg_temp.ours WHERE relkind = 'S' ORDER BY name::text COLLATE "C" \gexec

-- the owner has every right there is, and later servers know one more
SELECT 'right', o.name, r.grantee::pg_catalog.regrole, r.grantor::pg_catalog.regrole, r.privilege_type, r.is_grantable
FROM pg_temp.ours o JOIN pg_catalog.pg_class c ON c.oid = o.oid, pg_catalog.aclexplode(c.relacl) r
WHERE r.grantee <> o.relowner ORDER BY o.name::text COLLATE "C", r.grantee::pg_catalog.regrole::text, r.privilege_type;
SELECT 'relation', name, relkind, relowner::pg_catalog.regrole, reloptions, relpersistence, relrowsecurity, relforcerowsecurity
FROM pg_temp.ours ORDER BY name::text COLLATE "C";
SELECT 'column', o.name, a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attacl,
  pg_catalog.pg_get_expr(d.adbin, d.adrelid)
FROM pg_temp.ours o JOIN pg_catalog.pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE o.relkind NOT IN ('i', 'S') ORDER BY o.name::text COLLATE "C", a.attnum;
-- from 18 on a column that is not null has a constraint that says so
SELECT 'constraint', conrelid::pg_catalog.regclass, conname, contype, convalidated, pg_catalog.pg_get_constraintdef(oid)
FROM pg_catalog.pg_constraint WHERE oid >= 16384 AND contype <> 'n' ORDER BY conrelid::pg_catalog.regclass::text COLLATE "C", conname;
SELECT 'index', o.name, i.indisvalid, i.indisready, pg_catalog.pg_get_indexdef(i.indexrelid)
FROM pg_temp.ours o JOIN pg_catalog.pg_index i ON i.indexrelid = o.oid ORDER BY o.name::text COLLATE "C";
SELECT 'trigger', tgrelid::pg_catalog.regclass, tgname, tgenabled, pg_catalog.pg_get_triggerdef(oid)
FROM pg_catalog.pg_trigger WHERE NOT tgisinternal ORDER BY tgrelid::pg_catalog.regclass::text COLLATE "C", tgname;
SELECT 'policy', polrelid::pg_catalog.regclass, polname, polcmd, polpermissive, polroles::pg_catalog.regrole[],
  pg_catalog.pg_get_expr(polqual, polrelid), pg_catalog.pg_get_expr(polwithcheck, polrelid)
FROM pg_catalog.pg_policy ORDER BY polrelid::pg_catalog.regclass::text COLLATE "C", polname;
SELECT 'function', oid::pg_catalog.regprocedure, proowner::pg_catalog.regrole, proacl, provolatile, proparallel, proleakproof, prosecdef, proconfig,
  pg_catalog.md5(prosrc), probin, pg_catalog.pg_get_function_result(oid)
FROM pg_catalog.pg_proc WHERE oid >= 16384 ORDER BY oid::pg_catalog.regprocedure::text COLLATE "C";

-- from 17 on the array type of a member is one, too
SELECT 'extension', e.extname, e.extversion, d.deptype, pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) COLLATE "C"
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
WHERE pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) !~ '\[\]$'
ORDER BY 2, 5;
SELECT 'initial right', pg_catalog.pg_describe_object(classoid, objoid, objsubid) COLLATE "C", initprivs
FROM pg_catalog.pg_init_privs WHERE privtype = 'e' ORDER BY 2;
SELECT 'comment', pg_catalog.pg_describe_object(classoid, objoid, objsubid) COLLATE "C", pg_catalog.md5(description)
FROM pg_catalog.pg_description WHERE objoid >= 16384 ORDER BY 2, 3;
SELECT 'setting', d.datname, s.setrole::pg_catalog.regrole, s.setconfig
FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase ORDER BY 2, s.setrole::pg_catalog.regrole::text;
SELECT 'role', rolname, rolsuper, rolinherit, rolcanlogin, rolbypassrls FROM pg_catalog.pg_roles WHERE oid >= 16384 ORDER BY rolname;
