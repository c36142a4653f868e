SELECT change.number, change.at, change.actor, coalesce(left_account.reference, ''), coalesce(new_account.reference, '')
FROM ledger.alias_change AS change
LEFT JOIN ledger.account AS left_account ON left_account.id = change.before
LEFT JOIN ledger.account AS new_account ON new_account.id = change.after
WHERE change.alias = %s
ORDER BY change.number
