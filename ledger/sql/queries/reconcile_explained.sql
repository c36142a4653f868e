SELECT account_id, record_id, posting_seq, posting_number
FROM ledger.reconciliation_exception
WHERE account_id = ANY (%s) AND state = 2 AND kind <> 6
ORDER BY id
