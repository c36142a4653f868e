SELECT id, code, scale FROM ledger.asset
WHERE id IN (SELECT asset_id FROM ledger.account JOIN archive_touched ON archive_touched.account_id = account.id)
ORDER BY id
