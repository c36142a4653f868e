-- Dated postings as the proof of an archive tells them: account, number, time of effect, time of posting, change.
SELECT concat_ws(
    ' ', account_id, seq, (extract(epoch FROM effective_at) * 1000000)::bigint,
    (extract(epoch FROM posted_at) * 1000000)::bigint, change::bigint
)
FROM ledger.dated_posting
WHERE seq BETWEEN %s AND %s
ORDER BY seq, account_id
