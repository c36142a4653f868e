SELECT ledger.refuse_archived('what was posted first to account ' || account.reference)
FROM ledger.account_opening AS opening
JOIN ledger.account ON account.id = opening.account_id
WHERE account.reference = ANY (%s)
