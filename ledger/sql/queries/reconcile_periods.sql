SELECT account_id, first_day, last_day
FROM ledger.external_statement
WHERE account_id = ANY (%s)
ORDER BY account_id, first_day, last_day
