-- The records of a file that is being imported, each with the stored one of the same name, if there is one.
CREATE OR REPLACE FUNCTION ledger.reconcile_given_records(p_statements jsonb, p_records jsonb) RETURNS TABLE (
    statement int, key text, number int, change bigint, value_day date, booking_day date, reference text[], party text,
    account_id bigint, known_id bigint
)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT given.*, account.id, known.id
    FROM jsonb_to_recordset(p_records) AS given (
        statement int, key text, number int, change bigint, value_day date, booking_day date, reference text[],
        party text
    )
    JOIN jsonb_to_recordset(p_statements) AS within (number int, account text) ON within.number = given.statement
    JOIN ledger.account ON account.reference = within.account
    LEFT JOIN ledger.external_record AS known ON known.account_id = account.id AND known.key = given.key
$$;
