SELECT alias.alias, account.reference
FROM ledger.alias
JOIN ledger.account ON account.id = alias.account_id
WHERE alias.alias = ANY (%s)
