SELECT alias.alias, account.reference
FROM ledger.alias
JOIN ledger.account ON account.id = alias.account_id
WHERE starts_with(alias.alias, %s) AND alias.alias > %s
ORDER BY alias.alias
LIMIT %s
