-- Holds that say they were captured by an entry that does not name them, or that say nothing.
-- Entries of form 1 do not name the hold they capture: it names them, and was captured whole.
SELECT coalesce(hold.entry_seq, 0), 'hold ' || hold.id,
    'says ' || hold.captured || ' was captured, the newest time by entry ' || coalesce(hold.entry_seq::text, 'null')
        || ', which did not'
FROM ledger.hold
LEFT JOIN ledger.entry ON entry.seq = hold.entry_seq
LEFT JOIN ledger.account ON account.id = hold.account_id
WHERE (hold.captured <> 0 OR hold.entry_seq IS NOT NULL)
    AND (hold.entry_seq > (SELECT ledger.archived_seq())) IS NOT FALSE AND CASE entry.form
        WHEN 1 THEN hold.captured = (
            SELECT sum(-posting.amount::numeric * CASE account.normal_side WHEN 1 THEN 1 ELSE -1 END)
            FROM ledger.signed_posting AS posting
            WHERE posting.seq = entry.seq AND posting.account_id = hold.account_id
        )
        ELSE entry.hold_id = hold.id
    END IS NOT TRUE
LIMIT %s
