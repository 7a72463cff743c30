-- The texts of bench/search.sh: :texts of them, the same in every run.  Words are
-- drawn from vocabularies as languages do it, a few often and most seldom:
-- Chinese of two or three characters, English, and numbers that occur once.
-- The terms that are looked for are planted with a known share.

CREATE FUNCTION pg_temp.subjects(texts int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  syllables text[] := '{ba,con,de,er,fi,gra,hi,in,ja,ker,lo,ment,ni,or,pre,qui,re,st,tion,un,ver,wi,xe,ly,zo,th}';
  chinese text[];
  english text[];
  word text;
  line text;
  r float8;
BEGIN
  FOR i IN 1 .. 8000 LOOP
    word := '';
    FOR j IN 1 .. 2 + i % 3 / 2 LOOP
      word := word || chr(19968 + floor(2500 * power(random(), 2))::int);
    END LOOP;
    chinese[i] := word;
  END LOOP;
  FOR i IN 1 .. 4000 LOOP
    word := '';
    FOR j IN 1 .. 1 + i % 4 LOOP
      word := word || syllables[1 + floor(26 * random())::int];
    END LOOP;
    english[i] := ' ' || initcap(word) || ' ';
  END LOOP;
  FOR i IN 1 .. texts LOOP
    line := '';
    FOR j IN 1 .. 14 + i % 17 LOOP
      r := random();
      line := line || CASE
        WHEN r < 0.62 THEN chinese[1 + floor(8000 * power(random(), 2))::int]
        WHEN r < 0.97 THEN english[1 + floor(4000 * power(random(), 2))::int]
        ELSE ' ' || floor(random() * 1000000)::int || ' ' END;
    END LOOP;
    RETURN NEXT line || CASE WHEN i % 100 = 7 THEN '故障' WHEN i % 1000 = 11 THEN '主板烧毁'
      WHEN i % 500 = 13 THEN ' Gateway timeout' WHEN i % 100 = 17 THEN ' VPN'
      WHEN i % 200 = 19 THEN ' reset password' ELSE '' END;
  END LOOP;
END
$$;

SELECT setseed(0.5);
CREATE TABLE doc (id int GENERATED ALWAYS AS IDENTITY, subject text NOT NULL);
INSERT INTO doc (subject) SELECT pg_temp.subjects(:texts);
VACUUM ANALYZE doc;
CHECKPOINT;
