-- A page of the queue of exceptions, oldest first.
SELECT waiting.id, account.reference, asset.code, asset.scale, waiting.kind, waiting.state, waiting.record_id,
    waiting.posting_seq, waiting.posting_number, waiting.difference, waiting.opened_at
FROM ledger.reconciliation_exception AS waiting
JOIN ledger.account ON account.id = waiting.account_id
JOIN ledger.asset ON asset.id = account.asset_id
WHERE waiting.id > %(after)s
    AND (%(account)s = '' OR account.reference = %(account)s)
    AND waiting.state = ANY (%(states)s)
ORDER BY waiting.id
LIMIT %(count)s
