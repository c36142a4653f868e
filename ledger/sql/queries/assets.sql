SELECT asset.code, asset.scale, registration.actor, registration.reason, registration.at
FROM ledger.asset
JOIN ledger.asset_registration AS registration ON registration.asset_id = asset.id
WHERE asset.code > %s
ORDER BY asset.code
LIMIT %s
