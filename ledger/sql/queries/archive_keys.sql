SELECT seq, debit_account, credit_account, amount, key, decision_outcome, leaf, request_hash, settlement_id
FROM ledger.past_key
WHERE seq BETWEEN %(first)s AND %(last)s
ORDER BY seq
