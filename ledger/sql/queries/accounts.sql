SELECT id, reference, asset, scale, normal_side, status, balance, held, floor, posting_count,
    overdraft, ceiling, terms, stripes
FROM ledger.account_view
WHERE starts_with(reference, %s) AND reference > %s
ORDER BY reference
LIMIT %s
