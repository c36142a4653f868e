-- The statements of a file that is being imported, each with our account and the stored one of the same name, if any.
CREATE OR REPLACE FUNCTION ledger.reconcile_given_statements(p_statements jsonb) RETURNS TABLE (
    number int, account text, asset text, reference text, first_day date, last_day date, opening bigint,
    closing bigint, record_count int, may_repeat boolean, account_id bigint, account_asset text, known_id bigint
)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT given.*, account.id, asset.code, known.id
    FROM jsonb_to_recordset(p_statements) AS given (
        number int, account text, asset text, reference text, first_day date, last_day date, opening bigint,
        closing bigint, record_count int, may_repeat boolean
    )
    -- A striped account has no postings of its own to be matched.
    LEFT JOIN ledger.account ON account.reference = given.account AND account.stripes = 0
    LEFT JOIN ledger.asset ON asset.id = account.asset_id
    LEFT JOIN ledger.external_statement AS known
        ON known.account_id = account.id AND known.reference = given.reference
$$;
