-- An account that stands twice, or has an asset that stands twice, is no account.
SELECT account.id, min(left(account.reference, 65)), min(asset.code), min(asset.scale), min(account.asset_id)
FROM ledger.account
JOIN ledger.asset ON asset.id = account.asset_id
WHERE account.id = ANY (%s::bigint[])
GROUP BY account.id
HAVING count(*) = 1
