SELECT change.number, change.at, change.actor, change.name, change.before, change.after
FROM ledger.metadata_change AS change
JOIN ledger.account ON account.id = change.account_id
WHERE account.reference = %s AND (%s = '' OR change.name = %s) AND change.number > %s
ORDER BY change.number
LIMIT %s
