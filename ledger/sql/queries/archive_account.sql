SELECT id, reference, asset_id, normal_side, stripe_of
FROM ledger.account
JOIN archive_touched ON archive_touched.account_id = account.id
ORDER BY id
