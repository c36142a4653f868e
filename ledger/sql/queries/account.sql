SELECT id, reference, asset, scale, normal_side, status, balance, held, floor, posting_count,
    overdraft, ceiling, terms, stripes
FROM ledger.account_view
WHERE reference = %s
