-- Texts and terms for test/search/run.sh.  Everything comes from random(), so a
-- seed gives the same texts and the same terms.

-- Vocabulary: what search meets, and what lower() treats in ways of its own.
CREATE FUNCTION vocabulary() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
  SELECT ARRAY['故障', '主板', '开机', '无法', '网络', '系统', '工单', '客户', '退货', '补发', '的', '了', '不', '障', '龍', '𠮷野家', '㐂',
    'gateway', 'GATEWAY', 'Gateway', 'vpn', 'VPN', 'time-out', 'Reset', 'password', 'PassWord', 'error', 'a', 'I', 'ab', 'x',
    'École', 'ÉCOLE', 'école', 'naïve', 'NAÏVE', 'Ünïcödé', 'ÀÈÌÒÙ', 'àèìòù', 'Łódź', 'ŁÓDŹ', 'æ', 'Æ', 'œuvre', 'ŒUVRE', 'ñandú', 'Ñ',
    'Straße', 'STRASSE', 'ẞ', 'ſ', 'ŉ', 'ﬁn', 'Ⅷ', 'ⅷ', 'Ⓐ', 'ⓐ', 'K', 'k', 'Å', 'Ω', 'Ω', 'ω', 'µ', 'μ',
    'ＡＢＣ', 'ａｂｃ', '１２３', '％', 'ｶﾀｶﾅ', 'カタカナ', 'ひらがな', '한국어', '조선말',
    'ǅ', 'ǆ', 'Ǆ', 'ǈ', 'Ǉ', 'Σ', 'σ', 'ς', 'ΣΊΣΥΦΟΣ', 'σίσυφος', 'ΑΣ', 'ας', 'ασ', 'ΟΔΟΣ', 'ὈΔΥΣΣΕΎΣ', 'ὀδυσσεύς',
    'İstanbul', 'ISTANBUL', 'ıstanbul', 'istanbul', 'İ', 'ı', E'I\u0307', E'i\u0307', E'i\u0307\u0300', E'I\u0300', 'Ì', 'Í', 'Ĩ', 'Į', E'J\u0301', E'Į\u0301', E'\u0307',
    E'e\u0301', E'E\u0301', E'o\u0308\u0304', 'ПРИВЕТ', 'привет', 'Ѐ', 'ѐ', 'Ա', 'ա', 'Ა', 'ა', 'Ꭰ', 'ꭰ', '𐐀', '𐐨', 'Ɐ', 'ɐ', 'ชื่อ', 'مرحبا', 'שלום', 'नमस्ते',
    '😀', '😁😂', '👩‍👩‍👧', '🇨🇳', '👍🏽', '①', '%', '_', '\', '50%', 'a_b', 'c:\temp', '\\host', '''', '"', '100 %', ',', '。', '  ', E'\t', E'\n', E'\u00a0', E'\u3000', '0', '42', '20240102']
$$;

-- Any character at all: code points of every plane, the dense ones more often.
CREATE FUNCTION any_character() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  code int;
BEGIN
  LOOP
    code := 1 + floor((CASE floor(random() * 4)::int WHEN 0 THEN 127 WHEN 1 THEN 3000 WHEN 2 THEN 65535 ELSE 1114111 END) * random())::int;
    EXIT WHEN code NOT BETWEEN 55296 AND 57343;
  END LOOP;
  RETURN chr(code);
END
$$;

-- n texts of up to :words words each; strange is the share of words that are any characters.
CREATE FUNCTION texts(n int, words int, strange float8) RETURNS SETOF text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  word text[] := vocabulary();
  count int := cardinality(word);
  line text;
BEGIN
  FOR i IN 1 .. n LOOP
    line := '';
    FOR j IN 1 .. floor(random() * words)::int LOOP
      line := line || CASE
        WHEN random() < strange THEN any_character()
        -- the common characters of Chinese, so that most terms are rare
        WHEN random() < 0.4 THEN chr(19968 + floor(3000 * power(random(), 2))::int) || chr(19968 + floor(3000 * power(random(), 2))::int)
        ELSE word[1 + floor(random() * count)::int] END
        || CASE WHEN random() < 0.5 THEN ' ' ELSE '' END;
    END LOOP;
    RETURN NEXT line;
  END LOOP;
END
$$;

CREATE FUNCTION other_case(t text) RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT CASE floor(random() * 5)::int WHEN 0 THEN upper(t) WHEN 1 THEN lower(t) WHEN 2 THEN initcap(t) ELSE t END
$$;
CREATE FUNCTION quoted(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT regexp_replace(t, '([%_\\])', '\\\1', 'g') $$;

-- A part of a text, from one character on, in whatever case.
CREATE FUNCTION part(t text) RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT other_case(substr(t, 1 + floor(random() * length(t))::int, 1 + floor(7 * random())::int))
$$;

-- A condition that a random search makes, for some column: LIKE, ILIKE or
-- contains() with a part of the text, or with more and less than that.
CREATE FUNCTION search(t text, subject text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  a text := part(t);
  b text := part(t);
  how float8 := random();
  pattern text;
BEGIN
  IF random() < 0.34 THEN
    RETURN format('workorder.contains(%s, %L)', subject, CASE WHEN how < 0.9 THEN a ELSE a || any_character() END);
  END IF;
  pattern := CASE
    WHEN how < 0.45 THEN '%' || quoted(a) || '%'
    WHEN how < 0.60 THEN '%' || quoted(a) || '%' || quoted(b) || '%'
    WHEN how < 0.70 THEN '%' || quoted(left(a, 2)) || '_' || quoted(substr(a, 4)) || '%'
    WHEN how < 0.75 THEN quoted(left(t, 4)) || '%' || quoted(a) || '%'
    WHEN how < 0.80 THEN '%' || quoted(right(t, 4))
    WHEN how < 0.85 THEN '%' || regexp_replace(quoted(a), '([[:alpha:]])', '\\\1', 'g') || '%'
    WHEN how < 0.90 THEN '%' || quoted(a) || any_character() || '%'
    WHEN how < 0.95 THEN '%' || replace(a, '\', '\\') || '%'
    ELSE replace(left(t, 30), '\', '\\') END;
  RETURN format('%s %s %L', subject, CASE WHEN random() < 0.4 THEN 'LIKE' ELSE 'ILIKE' END, pattern);
END
$$;

-- A table of n texts with an index.
CREATE FUNCTION make(relation text, n int, words int, strange float8, language text, seed float8) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM setseed(seed);
  EXECUTE format('CREATE TABLE %I (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject text COLLATE %I)', relation, language);
  EXECUTE format('INSERT INTO %I (subject) SELECT texts($1, $2, $3)', relation) USING n, words, strange;
  EXECUTE format('CREATE INDEX ON %I USING gin (subject workorder.bigram_ops)', relation);
END
$$;

-- Makes n searches from the texts of a table, each by the index and in sequence.
-- Returns those that differ, or did not use the index.  lie makes the sequential
-- scan forget one row in eight.
CREATE FUNCTION differences(relation text, n int, seed float8, lie boolean DEFAULT false)
RETURNS TABLE (condition text, by_index int[], in_sequence int[]) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  ids text := format('SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM %I WHERE ', relation);
  texts int;
  sample text;
  plan text;
BEGIN
  PERFORM setseed(seed);
  EXECUTE format('SELECT count(*) FROM %I', relation) INTO texts;
  SET LOCAL max_parallel_workers_per_gather = 0;
  FOR i IN 1 .. n LOOP
    LOOP
      EXECUTE format('SELECT subject FROM %I WHERE id = $1', relation) INTO sample USING 1 + floor(random() * texts)::int;
      EXIT WHEN sample <> '';
    END LOOP;
    condition := search(sample, 'subject');
    SET LOCAL enable_seqscan = on;
    SET LOCAL enable_bitmapscan = off;
    EXECUTE ids || condition || CASE WHEN lie THEN ' AND id % 8 > 0' ELSE '' END INTO in_sequence;
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_bitmapscan = on;
    EXECUTE format('EXPLAIN SELECT id FROM %I WHERE %s', relation, condition) INTO plan;
    EXECUTE ids || condition INTO by_index;
    IF by_index <> in_sequence OR plan NOT LIKE 'Bitmap%' THEN
      RETURN NEXT;
    END IF;
  END LOOP;
END
$$;
