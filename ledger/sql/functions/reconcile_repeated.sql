-- The first new statement of a file whose movements came before under another name, and that name; neither where there
-- is none. Of statements that record balances only, and told by amounts and days, as references may be given anew:
-- either account, days, balances and movements are those of another statement; or, as where a month follows its days,
-- each day that it shares with stored ones lists what they list. Of two that cover one day each, only the first counts:
-- a bank may send several a day, and equal ones, as long as their balances go on.
CREATE OR REPLACE FUNCTION ledger.reconcile_repeated(
    p_statements jsonb, p_records jsonb, OUT reference text, OUT known text
)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    WITH given AS MATERIALIZED (
        SELECT * FROM ledger.reconcile_given_statements(p_statements) WHERE known_id IS NULL AND opening IS NOT NULL
    ), span AS (
        SELECT account_id, min(first_day) AS first_day, max(last_day) AS last_day FROM given GROUP BY account_id
    -- New ones count down from 0, in the order of the file, stored ones have their ids.
    ), statement AS MATERIALIZED (
        SELECT -number::bigint AS id, account_id, reference, first_day, last_day, opening, closing FROM given
        UNION ALL
        SELECT stored.id, account_id, stored.reference, stored.first_day, stored.last_day, opening, closing
        FROM ledger.external_statement AS stored
        JOIN span USING (account_id)
        WHERE stored.opening IS NOT NULL
            AND stored.first_day <= span.last_day AND stored.last_day >= span.first_day
    ), movement AS MATERIALIZED (
        SELECT statement.*, listed.booking_day, concat_ws(' ', listed.booking_day, value_day, change) AS said
        FROM statement
        JOIN (
            SELECT -record.statement::bigint AS statement_id, booking_day, value_day, change
            FROM ledger.reconcile_given_records(p_statements, p_records) AS record
            UNION ALL
            SELECT statement_id, booking_day, value_day, change
            FROM ledger.external_record
            WHERE statement_id IN (SELECT id FROM statement)
        ) AS listed ON listed.statement_id = statement.id
    ), whole AS (
        SELECT id, account_id, reference, first_day, last_day, opening, closing, string_agg(said, ',' ORDER BY said) AS said
        FROM movement
        GROUP BY id, account_id, reference, first_day, last_day, opening, closing
    ), new_day AS (
        SELECT id, account_id, reference, booking_day, first_day, last_day, opening, closing,
            string_agg(said, ',' ORDER BY said) AS said
        FROM movement WHERE id < 0
        GROUP BY id, account_id, reference, booking_day, first_day, last_day, opening, closing
    ), stored_day AS (
        SELECT account_id, booking_day, min(reference) AS reference, bool_or(first_day < last_day) AS of_many_days,
            string_agg(said, ',' ORDER BY said) AS said
        FROM movement WHERE id > 0
        GROUP BY account_id, booking_day
    )
    SELECT found.reference, found.known
    FROM (
        SELECT again.id, again.reference, whole.reference AS known
        FROM whole AS again
        JOIN whole USING (account_id, first_day, last_day, opening, closing, said)
        WHERE again.id < 0 AND whole.id > again.id
        UNION ALL
        SELECT new_day.id, new_day.reference, min(stored_day.reference)
        FROM new_day
        JOIN stored_day USING (account_id, booking_day)
        -- A day on which one ends and the other goes on from its balance is shared by both.
        WHERE NOT EXISTS (
            SELECT FROM statement AS before
            WHERE before.id > 0 AND before.account_id = new_day.account_id AND before.last_day = booking_day
                AND new_day.first_day = booking_day AND before.closing = new_day.opening
        ) AND NOT EXISTS (
            SELECT FROM statement AS after
            WHERE after.id > 0 AND after.account_id = new_day.account_id AND after.first_day = booking_day
                AND new_day.last_day = booking_day AND after.opening = new_day.closing
        )
        GROUP BY new_day.id, new_day.reference
        HAVING bool_and(new_day.said = stored_day.said)
            AND bool_or(stored_day.of_many_days OR new_day.first_day < new_day.last_day)
    ) AS found
    ORDER BY found.id DESC, found.known
    LIMIT 1
$$;
