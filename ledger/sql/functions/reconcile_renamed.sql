-- The first new statement of a CSV file with a movement that came before through a mapping of another name, and the statement
-- that it came in; neither where there is none. A movement is known by the mapping's name and the bank's own number, so
-- under another name all of a file counts twice. Told by account, day, amount and the number, which stands among the
-- references.
CREATE OR REPLACE FUNCTION ledger.reconcile_renamed(
    p_statements jsonb, p_records jsonb, OUT reference text, OUT known text
)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT statement.reference, stored.reference
    FROM ledger.reconcile_given_records(p_statements, p_records) AS given
    JOIN ledger.external_record AS earlier USING (account_id, booking_day, change)
    JOIN ledger.reconcile_given_statements(p_statements) AS statement ON statement.number = given.statement
    JOIN ledger.external_statement AS stored ON stored.id = earlier.statement_id
    WHERE given.known_id IS NULL AND earlier.reference && given.reference
    ORDER BY given.statement, given.number, stored.id
    LIMIT 1
$$;
