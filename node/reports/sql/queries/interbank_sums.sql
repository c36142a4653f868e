-- Accounts between banks are named by both (node/partner/books.py): vostro-<partner>-<asset>, nostro-<partner>-<asset>.
SELECT posting.organization, posting.account, posting.asset,
    coalesce(sum(posting.amount) FILTER (WHERE posting.side = 'debit'), 0),
    coalesce(sum(posting.amount) FILTER (WHERE posting.side = 'credit'), 0),
    array_agg(DISTINCT posting.seq ORDER BY posting.seq)
FROM log.disclosed_posting AS posting
JOIN log.disclosed_entry AS e USING (organization, seq)
WHERE posting.account ~ '^(vostro|nostro)-' AND e.posted_at < %s
GROUP BY posting.organization, posting.account, posting.asset
ORDER BY posting.organization, posting.account
