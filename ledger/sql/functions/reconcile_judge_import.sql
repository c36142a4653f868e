-- Judges a file before it is stored: 'imported' when it may be, else what is wrong, and with which statement or record
-- first. A statement that was received before may bring nothing that it did not have then; one that covers days which
-- another format covered would bring every movement a second time, and so would one that comes again under another name.
-- One with movements of archived times is refused as other questions about those are.
CREATE OR REPLACE FUNCTION ledger.reconcile_judge_import(
    p_format text, p_statements jsonb, p_records jsonb, OUT code text, OUT detail text
)
LANGUAGE plpgsql STABLE SET search_path = ledger, pg_temp AS $$
DECLARE
    v_once jsonb;
BEGIN
    SELECT CASE WHEN given.account_id IS NULL THEN 'account_not_found' ELSE 'asset_mismatch' END, given.account
    INTO code, detail
    FROM ledger.reconcile_given_statements(p_statements) AS given
    WHERE given.account_asset IS DISTINCT FROM given.asset
    ORDER BY given.number LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT 'record_conflict', given.key INTO code, detail
    FROM ledger.reconcile_given_records(p_statements, p_records) AS given
    JOIN ledger.external_record AS known ON known.id = given.known_id
    WHERE (known.change, known.value_day, known.booking_day, known.reference)
        IS DISTINCT FROM (given.change, given.value_day, given.booking_day, given.reference)
    ORDER BY given.statement, given.number LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT 'statement_conflict', given.reference INTO code, detail
    FROM ledger.reconcile_given_statements(p_statements) AS given
    JOIN ledger.external_statement AS known ON known.id = given.known_id
    LEFT JOIN ledger.reconcile_given_records(p_statements, p_records) AS added
        ON added.statement = given.number AND added.known_id IS NULL
    WHERE added.key IS NOT NULL
        OR (known.first_day, known.last_day, known.opening, known.closing, known.record_count)
        IS DISTINCT FROM (given.first_day, given.last_day, given.opening, given.closing, given.record_count)
    ORDER BY given.number LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT 'other_format', given.reference INTO code, detail
    FROM ledger.reconcile_given_statements(p_statements) AS given
    JOIN ledger.external_statement AS known
        ON known.account_id = given.account_id
        AND known.first_day <= given.last_day AND known.last_day >= given.first_day
    JOIN ledger.statement_file AS file ON file.id = known.file_id
    WHERE given.known_id IS NULL AND file.format <> p_format
    ORDER BY given.number LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    -- Postings of archived times cannot be found: each of the movements would be told as missing in the books. From the day on
    -- that an account's statements begin with, none that is not matched is archived.
    PERFORM ledger.refuse_archived(format('what account %s moved by %s', statement.account, given.day))
    FROM (
        SELECT record.statement, record.account_id, min(record.booking_day) AS day
        FROM ledger.reconcile_given_records(p_statements, p_records) AS record
        WHERE record.known_id IS NULL
        GROUP BY record.statement, record.account_id
    ) AS given
    JOIN ledger.reconcile_given_statements(p_statements) AS statement ON statement.number = given.statement
    WHERE given.day <= ((ledger.archive_border()).latest_at AT TIME ZONE 'UTC')::date
        AND ledger.has_archived(given.account_id)
        AND NOT EXISTS (
            SELECT FROM ledger.external_statement AS earlier
            WHERE earlier.account_id = given.account_id AND earlier.first_day <= given.day
        );
    v_once := (
        SELECT jsonb_agg(given.statement) FROM jsonb_array_elements(p_statements) AS given (statement)
        WHERE (given.statement -> 'may_repeat')::boolean IS NOT TRUE
    );
    SELECT 'statement_repeated', format('%L lists the movements of %L', again.reference, again.known) INTO code, detail
    FROM (
        SELECT * FROM ledger.reconcile_repeated(v_once, p_records)
        UNION ALL
        SELECT * FROM ledger.reconcile_renamed(v_once, p_records) WHERE p_format = 'csv'
    ) AS again
    WHERE again.reference IS NOT NULL;
    IF NOT FOUND THEN
        code := 'imported';
    END IF;
END
$$;
