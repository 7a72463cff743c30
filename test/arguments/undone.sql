-- Executes statements, undoes them, and says what they raised.
CREATE FUNCTION undone(statements text, argument jsonb DEFAULT NULL, OUT failure text, OUT said text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statements USING argument;
  RAISE EXCEPTION USING ERRCODE = 'ZZ000';
EXCEPTION
  WHEN SQLSTATE 'ZZ000' THEN NULL;
  WHEN query_canceled OR assert_failure OR OTHERS THEN failure := SQLSTATE; said := SQLERRM;
END
$$;
