SELECT code, rule, reason
FROM ledger.open_account(
    %s, %s, %s::smallint, %s::bigint, %s::bigint, %s::bigint, %s, %s, %s, %s, %s::jsonb, %s, %s
)
