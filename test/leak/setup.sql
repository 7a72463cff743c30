-- A round of work: about 510 acts, every way there is, in several transactions.
CREATE PROCEDURE work() LANGUAGE plpgsql AS $$
DECLARE
  t bigint;
  nothing record;
BEGIN
  FOR i IN 1..80 LOOP
    t := 1 + i % 80;
    PERFORM workorder.act('job', t, 'next', repeat('x', i), '{"done": 1}');
    UPDATE job SET action = 'next', note = 'updated' WHERE id = t;
    PERFORM * FROM workorder.actions('job', t);
    PERFORM workorder.can('job', t, 'next'), workorder.has_role('worker');
    BEGIN
      PERFORM workorder.act('job', t, 'nonsense');
    EXCEPTION WHEN SQLSTATE 'WO404' THEN NULL;
    END;
    BEGIN
      UPDATE job SET state = 'closed', done = 7 WHERE id = t;
      RAISE EXCEPTION USING ERRCODE = 'P0001';
    EXCEPTION WHEN raise_exception OR SQLSTATE 'WO403' THEN NULL;
    END;
    COMMIT;
  END LOOP;
  FOR i IN 1..5 LOOP
    UPDATE job SET action = 'next' WHERE id <= 70;
    COMMIT;
  END LOOP;
  SELECT count(*) INTO nothing FROM workorder.history h WHERE h.ticket_id = 1 AND h.revision > 10;
  PERFORM workorder.total('job'), workorder.as_of('job', 101, 'infinity');
  PERFORM count(*) FROM workorder.verify('job', 101);
  PERFORM workorder.compact_totals();
  COMMIT;
END
$$;
