-- The page is found first, by what was asked for alone; only its accounts are then told in full, one by one: OFFSET 0
-- keeps the views from being joined as a whole.
WITH page AS MATERIALIZED (
    SELECT account.id
    FROM ledger.account
    LEFT JOIN ledger.account_metadata AS described ON described.account_id = account.id
    LEFT JOIN ledger.account_place AS place ON place.account_id = account.id
    LEFT JOIN ledger.portfolio ON portfolio.id = place.portfolio_id
    LEFT JOIN ledger.segment ON segment.id = place.segment_id
    WHERE account.reference > %(after)s
        -- No stripe. Of IS NULL the planner thinks, before it has statistics, that it is hardly ever true.
        AND coalesce(account.stripe_of, 0) < 1
        AND (%(prefix)s = '' OR starts_with(account.reference, %(prefix)s))
        AND (%(pairs)s::jsonb = '{}' OR described.pairs @> %(pairs)s::jsonb)
        AND (%(portfolio)s = '' OR portfolio.code = %(portfolio)s)
        AND (%(segment)s = '' OR segment.code = %(segment)s)
        AND (%(book)s = '' OR account.book_id = (SELECT id FROM ledger.book WHERE code = %(book)s))
    ORDER BY account.reference
    LIMIT %(count_max)s
)
SELECT named.book, coalesce(named.portfolio, ''), coalesce(named.segment, ''), named.aliases,
    coalesce(named.metadata, '{}'), account.id, account.reference, account.asset, account.scale, account.normal_side,
    account.status, account.balance, account.held, account.floor, account.posting_count, account.overdraft,
    account.ceiling, account.terms, account.stripes
FROM page
CROSS JOIN LATERAL (SELECT * FROM ledger.chart_account_view WHERE id = page.id OFFSET 0) AS named
CROSS JOIN LATERAL (SELECT * FROM ledger.account_view WHERE id = page.id OFFSET 0) AS account
ORDER BY account.reference
