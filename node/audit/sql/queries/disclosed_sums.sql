-- What was disclosed of a member between each two sizes of which it opened totals, by asset.
SELECT span.organization, span.after, span.up_to, told.count, posting.asset,
    coalesce(sum(posting.amount) FILTER (WHERE posting.side = 'debit'), 0),
    coalesce(sum(posting.amount) FILTER (WHERE posting.side = 'credit'), 0)
FROM (
    SELECT organization, coalesce(lag(size) OVER (ORDER BY size), 0) AS after, size AS up_to
    FROM log.opened_totals WHERE organization = %s
) AS span
CROSS JOIN LATERAL (
    SELECT count(*) AS count
    FROM log.disclosed_entry AS e
    WHERE e.organization = span.organization AND e.seq > span.after AND e.seq <= span.up_to
) AS told
JOIN log.disclosed_posting AS posting
    ON posting.organization = span.organization AND posting.seq > span.after AND posting.seq <= span.up_to
GROUP BY span.organization, span.after, span.up_to, told.count, posting.asset
ORDER BY span.up_to, posting.asset
