SELECT id, reference, asset, scale, normal_side, status, balance, held, floor, posting_count,
    overdraft, ceiling, terms
FROM ledger.account_view
WHERE reference = %s
