INSERT INTO ledger.past_key (
    seq, debit_account, credit_account, amount, key, decision_outcome, leaf, request_hash, settlement_id
)
SELECT seq, debit_account, credit_account, amount, key, decision_outcome, leaf, request_hash, settlement_id
FROM ledger.entry
WHERE seq BETWEEN %(first)s AND %(last)s
ORDER BY seq
