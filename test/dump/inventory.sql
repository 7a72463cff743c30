-- Everything that a database is, one fact a line: <kind>\t<object>\t<what is so>.
-- Two databases with the same lines are the same, as far as anybody who works in
-- them can tell.  Lines of the kinds that begin with "~" say where things are
-- stored; only pg_upgrade keeps that.
--
--   psql -XAtq -F $'\t' -v ON_ERROR_STOP=1 -v physical=0|1 -f inventory.sql | LC_ALL=C sort
--
-- What belongs to an extension is told by its version; here is what does not.
SET search_path = pg_catalog;
SET timezone = 'UTC';
SET extra_float_digits = 1;
SET bytea_output = hex;
SET intervalstyle = iso_8601;
SET datestyle = iso;

\set in_member 'EXISTS (SELECT FROM pg_depend d WHERE d.deptype = ''e'' AND d.classid = o.tableoid AND d.objid = o.oid)'
\set ours 'o.oid >= 16384 AND NOT :in_member AND (o.tableoid <> ''pg_class''::regclass OR o.oid::regclass::text !~ ''^pg_toast'')'

-- Rows of every table, and the same again for each partition.  What an imported
-- row has for a digest says that it was imported; the journal has its digest.
SELECT format('SELECT %L, %L, count(*), sum(hashtextextended(%s, 0)) FROM ONLY %s t', 'rows', o.oid::regclass,
  coalesce((SELECT format('(to_jsonb(t) - %L)::text', coalesce(g.columns ->> 'digest', 'digest')) FROM workorder.guarded g WHERE g.relation = o.oid), 't::text'),
  o.oid::regclass)
FROM pg_class o WHERE o.relkind = 'r' AND o.relpersistence <> 't' AND :ours ORDER BY o.oid::regclass::text \gexec
SELECT format('SELECT %L, %L, count(*) FROM %s', 'materialized rows', o.oid::regclass, o.oid::regclass)
FROM pg_class o WHERE o.relkind = 'm' AND o.relispopulated AND :ours \gexec
SELECT format('SELECT %L, %L, last_value, is_called FROM %s', 'sequence', o.oid::regclass, o.oid::regclass)
FROM pg_class o WHERE o.relkind = 'S' AND :ours \gexec
SELECT 'sequence definition', s.seqrelid::regclass, seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle
FROM pg_sequence s;

-- What the engine says of them.
SELECT format('SELECT %L, %L, workorder.total(%L), count(*) FROM %s', 'total', g.relation, g.relation, g.relation)
FROM workorder.guarded g \gexec
SELECT 'unsound', v.* FROM workorder.verify() v;
-- What tickets were: by the names of now, whatever their columns and labels were called then.
SELECT 'as_of', g.relation, count(*), md5(string_agg(workorder.as_of(g.relation, j.ticket_id, j.at)::text, ' ' ORDER BY j.ticket_id, j.revision))
FROM workorder.journal j JOIN workorder.guarded g ON g.id = j.guarded_id
WHERE j.tenant_id = workorder.tenant_id() AND g.active AND j.ticket_id % 97 < 2 GROUP BY g.relation;
SELECT 'sealed', s.id, count(v) FROM public.kept_seal s LEFT JOIN LATERAL workorder.verify_seal(s.digest) v ON true GROUP BY s.id;

-- Relations and their parts.
SELECT 'relation', o.oid::regclass, o.relkind, o.relpersistence, am.amname FROM pg_class o LEFT JOIN pg_am am ON am.oid = o.relam WHERE :ours;
SELECT 'row security', o.oid::regclass, o.relrowsecurity, o.relforcerowsecurity FROM pg_class o WHERE o.relkind IN ('r', 'p') AND :ours;
SELECT 'replica identity', o.oid::regclass, o.relreplident FROM pg_class o WHERE o.relkind IN ('r', 'p') AND :ours;
SELECT 'storage options', o.oid::regclass, o.reloptions FROM pg_class o WHERE o.reloptions IS NOT NULL AND :ours;
SELECT 'partition', o.oid::regclass, pg_get_partkeydef(o.oid), pg_get_expr(o.relpartbound, o.oid), pg_partition_root(o.oid)::regclass
FROM pg_class o WHERE (o.relispartition OR o.relkind = 'p') AND :ours;
SELECT 'parent', i.inhrelid::regclass, i.inhparent::regclass, i.inhseqno FROM pg_inherits i;
SELECT 'column', o.oid::regclass || '.' || a.attname, row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum),
  format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attislocal, a.attinhcount
FROM pg_attribute a JOIN pg_class o ON o.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped AND o.relkind IN ('r', 'p', 'v', 'm', 'c') AND :ours;
SELECT 'column storage', o.oid::regclass || '.' || a.attname, a.attstorage, a.attcompression, a.attstattarget, (SELECT array_agg(p) FROM unnest(a.attoptions) p WHERE p LIKE 'n\_distinct%'), a.attcollation::regcollation
FROM pg_attribute a JOIN pg_class o ON o.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped AND o.relkind IN ('r', 'p') AND :ours;
SELECT 'default', o.oid::regclass || '.' || a.attname, a.attgenerated, pg_get_expr(f.adbin, f.adrelid)
FROM pg_attribute a JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum JOIN pg_class o ON o.oid = a.attrelid WHERE :ours;
SELECT 'identity', o.oid::regclass || '.' || a.attname, a.attidentity, pg_get_serial_sequence(o.oid::regclass::text, a.attname)
FROM pg_attribute a JOIN pg_class o ON o.oid = a.attrelid WHERE a.attidentity <> '' AND :ours;
SELECT CASE c.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' WHEN 'f' THEN 'foreign key' WHEN 'c' THEN 'check' ELSE 'constraint' END,
  coalesce(c.conrelid::regclass::text, c.contypid::regtype::text) || '.' || c.conname, pg_get_constraintdef(c.oid), c.convalidated, c.condeferrable
FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace WHERE c.oid >= 16384 AND n.nspname !~ '^pg_' AND c.contype <> 't';
SELECT 'index', i.indexrelid::regclass, pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered, i.indisreplident
FROM pg_index i JOIN pg_class o ON o.oid = i.indexrelid WHERE :ours AND i.indrelid::regclass::text !~ '^pg_';
SELECT 'trigger', t.tgrelid::regclass || '.' || t.tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE NOT t.tgisinternal;
SELECT 'trigger fires', t.tgrelid::regclass || '.' || t.tgname, t.tgenabled FROM pg_trigger t WHERE NOT t.tgisinternal;
SELECT 'rule', r.ev_class::regclass || '.' || r.rulename, r.ev_enabled, md5(pg_get_ruledef(r.oid)) FROM pg_rewrite r WHERE r.oid >= 16384 AND r.rulename <> '_RETURN';
SELECT 'policy', p.polrelid::regclass || '.' || p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
FROM pg_policy p;
SELECT CASE o.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END, o.oid::regclass, o.relispopulated, md5(pg_get_viewdef(o.oid)) FROM pg_class o WHERE o.relkind IN ('v', 'm') AND :ours;
SELECT 'statistics', s.stxname, s.stxstattarget, pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s;

-- Everything else that has a name.
SELECT 'schema', o.nspname FROM pg_namespace o WHERE o.nspname !~ '^pg_' AND :ours;
SELECT 'function', o.oid::regprocedure, o.prokind, CASE o.prokind WHEN 'a' THEN '' ELSE md5(pg_get_functiondef(o.oid)) END FROM pg_proc o WHERE :ours;
SELECT 'enum', o.oid::regtype, (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = o.oid) FROM pg_type o WHERE o.typtype = 'e' AND :ours;
SELECT 'domain', o.oid::regtype, format_type(o.typbasetype, o.typtypmod), o.typnotnull, o.typdefault FROM pg_type o WHERE o.typtype = 'd' AND :ours;
SELECT 'range', r.rngtypid::regtype, r.rngsubtype::regtype FROM pg_range r WHERE r.rngtypid >= 16384;
SELECT 'extension', e.extname, e.extversion, e.extnamespace::regnamespace, (SELECT count(*) FROM pg_depend d WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e')
FROM pg_extension e WHERE e.extname <> 'plpgsql';
SELECT 'event trigger', e.evtname, e.evtevent, e.evtenabled, e.evttags, e.evtfoid::regprocedure FROM pg_event_trigger e;
SELECT 'publication', p.pubname, p.puballtables, (SELECT string_agg(r.prrelid::regclass::text, ',' ORDER BY r.prrelid::regclass::text) FROM pg_publication_rel r WHERE r.prpubid = p.oid) FROM pg_publication p;
SELECT 'dependency', pg_describe_object(d.classid, d.objid, d.objsubid), d.deptype, pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
FROM pg_depend d JOIN pg_depend m ON m.deptype = 'e' AND m.classid = d.refclassid AND m.objid = d.refobjid JOIN pg_extension e ON e.oid = m.refobjid AND e.extname LIKE 'workorder%'
WHERE d.classid IN ('pg_class'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass) AND d.objid >= 16384;

-- Whose it is, and who may do what with it.
SELECT 'owner', 'relation ' || o.oid::regclass, o.relowner::regrole FROM pg_class o WHERE o.relkind NOT IN ('t', 'i', 'I', 'c') AND :ours;
SELECT 'owner', 'function ' || o.oid::regprocedure, o.proowner::regrole FROM pg_proc o WHERE :ours;
SELECT 'owner', 'type ' || o.oid::regtype, o.typowner::regrole FROM pg_type o WHERE o.typtype IN ('e', 'd') AND :ours;
SELECT 'owner', 'schema ' || o.nspname, o.nspowner::regrole FROM pg_namespace o WHERE o.nspname !~ '^pg_' AND :ours;
\set rights '(SELECT string_agg(format(''%s=%s%s'', CASE x.grantee WHEN 0 THEN ''PUBLIC'' ELSE x.grantee::regrole::text END, x.privilege_type, CASE WHEN x.is_grantable THEN ''*'' END), '','' ORDER BY x.grantee::regrole::text, x.privilege_type)'
SELECT 'right on relation', o.oid::regclass, :rights FROM aclexplode(coalesce(o.relacl, acldefault(CASE o.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", o.relowner))) x) FROM pg_class o WHERE o.relkind NOT IN ('t', 'i', 'I', 'c') AND :ours;
SELECT 'right on column', o.oid::regclass || '.' || a.attname, :rights FROM aclexplode(a.attacl) x)
FROM pg_attribute a JOIN pg_class o ON o.oid = a.attrelid WHERE a.attacl IS NOT NULL AND :ours;
SELECT 'right on function', o.oid::regprocedure, :rights FROM aclexplode(coalesce(o.proacl, acldefault('f', o.proowner))) x) FROM pg_proc o WHERE o.oid >= 16384;
SELECT 'right on schema', o.nspname, :rights FROM aclexplode(coalesce(o.nspacl, acldefault('n', o.nspowner))) x) FROM pg_namespace o WHERE o.nspname !~ '^pg_' AND (o.oid >= 16384 OR o.nspname = 'public');
SELECT 'right on type', o.oid::regtype, :rights FROM aclexplode(coalesce(o.typacl, acldefault('T', o.typowner))) x) FROM pg_type o WHERE o.typtype IN ('e', 'd', 'r') AND :ours;
SELECT 'default right', a.defaclrole::regrole || ' ' || a.defaclnamespace::regnamespace, a.defaclobjtype, :rights FROM aclexplode(a.defaclacl) x) FROM pg_default_acl a;
SELECT 'comment', pg_describe_object(o.classoid, o.objoid, o.objsubid), md5(o.description) FROM pg_description o
WHERE o.objoid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e' AND d.classid = o.classoid AND d.objid = o.objoid);

-- What belongs to the database, not to what is in it, and to the cluster.
SELECT 'database', 'right', :rights FROM aclexplode(coalesce(o.datacl, acldefault('d', o.datdba))) x) FROM pg_database o WHERE o.datname = current_database();
SELECT 'database', 'owner', o.datdba::regrole FROM pg_database o WHERE o.datname = current_database();
SELECT 'database', 'setting', s.setrole::regrole, s.setconfig FROM pg_db_role_setting s JOIN pg_database o ON o.oid = s.setdatabase WHERE o.datname = current_database();
SELECT 'database', 'comment', md5(shobj_description(o.oid, 'pg_database')) FROM pg_database o WHERE o.datname = current_database();
SELECT 'role', r.rolname, r.rolsuper, r.rolcanlogin, r.rolinherit, r.rolbypassrls, (SELECT string_agg(m.roleid::regrole::text, ',' ORDER BY m.roleid::regrole::text) FROM pg_auth_members m WHERE m.member = r.oid)
FROM pg_roles r WHERE r.rolname !~ '^pg_';
SELECT 'role setting', s.setrole::regrole, s.setconfig FROM pg_db_role_setting s WHERE s.setdatabase = 0;
SELECT 'right on parameter', p.parname, :rights FROM aclexplode(p.paracl) x) FROM pg_parameter_acl p;

\if :physical
SELECT format('SELECT %L, %L, count(*), md5(string_agg(format(''%%s %%s'', t.ctid, t.xmin), '','' ORDER BY t.ctid)) FROM ONLY %s t',
  '~place of rows', o.oid::regclass, o.oid::regclass)
FROM pg_class o WHERE o.relkind = 'r' AND o.relpersistence <> 't' AND :ours \gexec
SELECT '~oid of relation', o.oid::regclass, o.oid FROM pg_class o WHERE :ours;
SELECT '~file', o.oid::regclass, o.relfilenode FROM pg_class o WHERE :ours AND o.relfilenode <> 0;
SELECT '~size', o.oid::regclass, pg_relation_size(o.oid) FROM pg_class o WHERE o.relkind IN ('r', 'i', 'm', 'S') AND :ours;
SELECT '~oid of type', o.oid::regtype, o.oid FROM pg_type o WHERE o.typtype IN ('e', 'd', 'c') AND :ours;
SELECT '~oid of label', e.enumtypid::regtype || ' ' || e.enumlabel, e.oid FROM pg_enum e WHERE e.oid >= 16384;
SELECT '~dropped column', o.oid::regclass, a.attnum FROM pg_attribute a JOIN pg_class o ON o.oid = a.attrelid WHERE a.attisdropped AND :ours;
SELECT '~place of column', o.oid::regclass || '.' || a.attname, a.attnum FROM pg_attribute a JOIN pg_class o ON o.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped AND o.relkind IN ('r', 'p') AND :ours;
\endif
SELECT 'end', 'of the inventory';
