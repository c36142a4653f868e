SELECT account.id, account.reference, asset.code, asset.scale, account.asset_id, account.normal_side, account.status,
    account.balance, account.held, account.floor, account.overdraft, account.ceiling, account.terms, account.last_seq,
    account.posting_count, account.book_id, account.shared
FROM ledger.account
JOIN ledger.asset ON asset.id = account.asset_id
WHERE account.reference = ANY (%s)
