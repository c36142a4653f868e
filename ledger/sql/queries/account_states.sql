-- Accounts by reference, and the stripes of striped ones in their order.
SELECT account.stripe_of, account.id, account.reference, asset.code, asset.scale, account.asset_id,
    account.normal_side, account.status, account.balance, account.held, account.floor, account.overdraft,
    account.ceiling, account.terms, account.last_seq, account.posting_count, account.book_id, account.shared,
    account.stripes
FROM ledger.account
JOIN ledger.asset ON asset.id = account.asset_id
WHERE account.reference = ANY (%s) AND account.stripe_of IS NULL OR account.stripe_of = ANY (%s::bigint[])
ORDER BY account.id
