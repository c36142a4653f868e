SELECT change.number, change.at, change.actor, change.before, change.after
FROM ledger.account_change AS change
JOIN ledger.account ON account.id = change.account_id
WHERE account.reference = %s AND change.number > %s
ORDER BY change.number
LIMIT %s
