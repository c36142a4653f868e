SELECT opening.account_id, opening.balance, opening.last_seq, opening.posting_count
FROM ledger.account_opening AS opening
JOIN archive_touched USING (account_id)
ORDER BY opening.account_id
