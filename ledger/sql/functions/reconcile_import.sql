-- Stores a statement file with its statements and records, once. What the sender sent before is known again by the
-- statement's or the record's name, and must say the same. code: 'imported', 'exists' (the very file),
-- 'account_not_found', 'asset_mismatch', 'record_conflict', 'statement_conflict', 'other_format', 'statement_repeated';
-- detail names the first culprit.
-- p_statements: [{number, account, asset, reference, first_day, last_day, opening, closing, record_count, may_repeat}];
-- p_records: [{statement, key, number, change, value_day, booking_day, reference[], party}].
CREATE OR REPLACE FUNCTION ledger.reconcile_import(
    p_digest bytea, p_format text, p_actor text, p_now timestamptz, p_statements jsonb, p_records jsonb,
    OUT code text, OUT detail text, OUT new_statements int, OUT new_records int
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_file bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ledger.reconciliation'));
    new_statements := 0;
    new_records := 0;
    IF EXISTS (SELECT FROM ledger.statement_file WHERE digest = p_digest) THEN
        code := 'exists';
        RETURN;
    END IF;
    SELECT judged.code, judged.detail INTO code, detail
    FROM ledger.reconcile_judge_import(p_format, p_statements, p_records) AS judged;
    IF code <> 'imported' THEN
        RETURN;
    END IF;
    INSERT INTO ledger.statement_file (digest, format, imported_at, imported_by)
    VALUES (p_digest, p_format, p_now, p_actor) RETURNING id INTO v_file;
    INSERT INTO ledger.external_statement
        (file_id, account_id, reference, first_day, last_day, opening, closing, record_count, may_repeat)
    SELECT v_file, given.account_id, given.reference, given.first_day, given.last_day, given.opening, given.closing,
        given.record_count, coalesce(given.may_repeat, false)
    FROM ledger.reconcile_given_statements(p_statements) AS given
    WHERE given.known_id IS NULL
    ORDER BY given.number;
    GET DIAGNOSTICS new_statements = ROW_COUNT;
    WITH given AS (
        SELECT record.*, statement.known_id AS statement_id
        FROM ledger.reconcile_given_records(p_statements, p_records) AS record
        -- Asked again, as by now every statement is stored.
        JOIN ledger.reconcile_given_statements(p_statements) AS statement ON statement.number = record.statement
        WHERE record.known_id IS NULL
    ), added AS (
        INSERT INTO ledger.external_record
            (statement_id, account_id, key, number, change, value_day, booking_day, reference)
        SELECT statement_id, account_id, key, number, change, value_day, booking_day, reference
        FROM given ORDER BY statement, number
        RETURNING id, account_id, key
    ), parties AS (
        INSERT INTO ledger.external_party (record_id, party)
        SELECT added.id, given.party
        FROM added
        JOIN given ON given.account_id = added.account_id AND given.key = added.key
        WHERE given.party <> ''
    )
    SELECT count(*) INTO new_records FROM added;
END
$$;
