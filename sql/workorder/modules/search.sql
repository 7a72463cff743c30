-- Substring search: an operator class for GIN under LIKE and ILIKE, and a
-- LEAKPROOF function that may use it on tables with row-level security.

CREATE FUNCTION workorder.contains_support(internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_contains_support';
COMMENT ON FUNCTION workorder.contains_support(internal) IS
'Has the planner write the operator @> for contains(), so that indexes and estimates apply.';

-- LEAKPROOF, since it has no message and no error that depends on the texts;
-- src/search/search.c and src/utils/casefold.c say how that is kept.
CREATE FUNCTION workorder.contains(document text, term text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE COST 20
SUPPORT workorder.contains_support
AS 'MODULE_PATHNAME', 'workorder_contains';
COMMENT ON FUNCTION workorder.contains(text, text) IS
'Whether a text contains a term in whatever case: what document ILIKE ''%term%'' finds when %, _ and \ in the term stand for themselves, and besides, final and other sigma are one letter, and dots above do not count (nor does i without its dot differ from i). An index of workorder.bigram_ops on the document serves it, under row-level security too. An empty term is in every text; null if either is null. Raises 42P22 if the collation cannot be determined.';

CREATE OPERATOR workorder.@> (
  FUNCTION = workorder.contains,
  LEFTARG = text,
  RIGHTARG = text,
  RESTRICT = matchingsel,
  JOIN = matchingjoinsel
);
COMMENT ON OPERATOR workorder.@> (text, text) IS 'contains(): the text on the left contains the term on the right';

CREATE FUNCTION workorder.bigram_extract_value(text, internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_bigram_extract_value';
COMMENT ON FUNCTION workorder.bigram_extract_value(text, internal) IS
'Support of bigram_ops: the keys of a text.';

CREATE FUNCTION workorder.bigram_extract_query(text, internal, int2, internal, internal, internal, internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_bigram_extract_query';
COMMENT ON FUNCTION workorder.bigram_extract_query(text, internal, int2, internal, internal, internal, internal) IS
'Support of bigram_ops: the keys that a text needs to match a pattern or contain a term.';

CREATE FUNCTION workorder.bigram_compare_partial(int4, int4, int2, internal) RETURNS int4
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_bigram_compare_partial';
COMMENT ON FUNCTION workorder.bigram_compare_partial(int4, int4, int2, internal) IS
'Support of bigram_ops: whether a key begins as the search wants it to.';

CREATE FUNCTION workorder.bigram_consistent(internal, int2, text, int4, internal, internal, internal) RETURNS "char"
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_bigram_consistent';
COMMENT ON FUNCTION workorder.bigram_consistent(internal, int2, text, int4, internal, internal, internal) IS
'Support of bigram_ops: whether a text with these keys may match.';

CREATE OPERATOR CLASS workorder.bigram_ops FOR TYPE text USING gin AS
  OPERATOR 1 pg_catalog.~~ (text, text),
  OPERATOR 2 pg_catalog.~~* (text, text),
  OPERATOR 3 workorder.@> (text, text),
  FUNCTION 1 pg_catalog.btint4cmp(int4, int4),
  FUNCTION 2 workorder.bigram_extract_value(text, internal),
  FUNCTION 3 workorder.bigram_extract_query(text, internal, int2, internal, internal, internal, internal),
  FUNCTION 5 workorder.bigram_compare_partial(int4, int4, int2, internal),
  FUNCTION 6 workorder.bigram_consistent(internal, int2, text, int4, internal, internal, internal),
  STORAGE int4;
COMMENT ON OPERATOR CLASS workorder.bigram_ops USING gin IS
'Substring search by LIKE, ILIKE and workorder.contains(), from one character on, in any script: CREATE INDEX ON t USING gin (c workorder.bigram_ops)';
