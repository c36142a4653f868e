-- A page of the matches that hold, oldest first.
SELECT made.id, account.reference, asset.code, asset.scale, made.rule, made.difference, made.run_id, made.matched_at,
    ARRAY(SELECT record_id FROM ledger.match_record WHERE match_id = made.id ORDER BY record_id),
    ARRAY(SELECT seq FROM ledger.match_posting WHERE match_id = made.id ORDER BY seq, number),
    ARRAY(SELECT number FROM ledger.match_posting WHERE match_id = made.id ORDER BY seq, number)
FROM ledger.reconciliation_match AS made
JOIN ledger.account ON account.id = made.account_id
JOIN ledger.asset ON asset.id = account.asset_id
WHERE made.id > %(after)s AND made.dissolved_at IS NULL AND (%(account)s = '' OR account.reference = %(account)s)
ORDER BY made.id
LIMIT %(count)s
