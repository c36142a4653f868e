-- The page is found first, by what was asked for alone; only its accounts are then told in full.
WITH page AS MATERIALIZED (
    SELECT account.id
    FROM ledger.account
    LEFT JOIN ledger.account_metadata AS described ON described.account_id = account.id
    LEFT JOIN ledger.account_place AS place ON place.account_id = account.id
    WHERE account.reference > %(after)s
        AND (%(prefix)s = '' OR starts_with(account.reference, %(prefix)s))
        AND (%(pairs)s::jsonb = '{}' OR described.pairs @> %(pairs)s::jsonb)
        AND (
            %(book)s = ''
            OR coalesce(place.book_id, 1::smallint) = (SELECT id FROM ledger.book WHERE code = %(book)s)
        )
        AND (
            %(portfolio)s = ''
            OR place.portfolio_id = ANY (ARRAY(SELECT id FROM ledger.portfolio WHERE code = %(portfolio)s))
        )
        AND (
            %(segment)s = ''
            OR place.segment_id = ANY (ARRAY(SELECT id FROM ledger.segment WHERE code = %(segment)s))
        )
    ORDER BY account.reference
    LIMIT %(count_max)s
)
SELECT named.book, coalesce(named.portfolio, ''), coalesce(named.segment, ''), named.aliases,
    coalesce(named.metadata, '{}'), account.id, account.reference, account.asset, account.scale, account.normal_side,
    account.status, account.balance, account.held, account.floor, account.posting_count, account.overdraft,
    account.ceiling, account.terms
FROM page
JOIN ledger.chart_account_view AS named ON named.id = page.id
JOIN ledger.account_view AS account ON account.id = page.id
ORDER BY account.reference
