-- Contact results, the reasons that go with each, and the contacts of an order.
-- A result is a code of the dictionary contact_result; its reasons are the
-- dictionary contact_reason.<code>, in the order of their positions.

CREATE FUNCTION active_job.contact_reasons() RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(jsonb_build_object('status', r.code, 'reason', active_job.reasons_of(r.code))
      ORDER BY r.code::numeric), '[]')
    FROM workorder.dictionary r
    WHERE r.tenant_id = workorder.tenant_id() AND r.system = 'active_job' AND r.kind = 'contact_result'
      AND r.active AND r.code ~ '^[1-9][0-9]{0,8}$');
END
$$;
COMMENT ON FUNCTION active_job.contact_reasons() IS
  'AJ-3: the active contact results in numeric order, each with its reasons; codes that are no whole number from 1 are passed over.';

CREATE FUNCTION active_job.reasons_of(code text) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(d.code ORDER BY d.position, d.code), '[]')
    FROM workorder.dictionary d
    WHERE d.tenant_id = workorder.tenant_id() AND d.system = 'active_job'
      AND d.kind = 'contact_reason.' || reasons_of.code AND d.active);
END
$$;
COMMENT ON FUNCTION active_job.reasons_of(text) IS
  'The active reasons of a contact result, a list of texts.';

CREATE FUNCTION active_job.check_contact(status int, reason text, remark text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  reasons jsonb;
BEGIN
  IF status IS NULL OR status < 1 OR NOT EXISTS (
      SELECT FROM workorder.dictionary d
      WHERE d.tenant_id = workorder.tenant_id() AND d.system = 'active_job' AND d.kind = 'contact_result'
        AND d.code = status::text AND d.active) THEN
    PERFORM workorder.refuse_input(active_job.wording(), 'invalid', 'contact_status', 'It is no active contact result.');
  END IF;
  reasons := active_job.reasons_of(status::text);
  IF char_length(reason) > 200 OR (reason <> '' AND reasons <> '[]' AND NOT reasons ? reason) THEN
    PERFORM workorder.refuse_input(active_job.wording(), 'invalid', 'contact_status_reason',
      'It must be a reason of this contact result; if that has none, a text of at most 200 characters.');
  END IF;
  IF char_length(remark) > 1000 THEN
    PERFORM workorder.refuse_input(active_job.wording(), 'invalid', 'contact_status_remark', 'It must be a text of at most 1000 characters.');
  END IF;
END
$$;
COMMENT ON FUNCTION active_job.check_contact(int, text, text) IS
  'Raises WO400 unless the status is an active contact result, the reason one of it (or free, if it has none), and both texts short enough. Contract AJ-4.';

CREATE FUNCTION active_job.contact(order_id text, status int, reason text DEFAULT NULL, remark text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM active_job.check_contact(status, reason, remark);
  PERFORM workorder.act('active_job.orders', active_job.claim(order_id, 'contact'), 'contact', NULL,
    jsonb_build_object('contact_status', status, 'contact_status_reason', nullif(reason, ''),
      'contact_status_remark', nullif(remark, '')));
END
$$;
COMMENT ON FUNCTION active_job.contact(text, int, text, text) IS
  'AJ-4: records a contact with the customer of an order that the caller holds. Raises WO400, WO404, WO403, WO409, in this order.';
