SELECT account.id, account.reference, asset.code, asset.scale, account.normal_side, account.asset_id
FROM ledger.account
JOIN ledger.asset ON asset.id = account.asset_id
