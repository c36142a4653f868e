-- For each account with statements: its newest closing balance beside the books' balance at the end of that day (null where
-- only archived entries would tell it), what is unmatched, and the first statement that does not begin where any other
-- ended.
WITH wanted AS (
    SELECT account.id, account.reference, account.normal_side, asset.code, asset.scale
    FROM ledger.account
    JOIN ledger.asset ON asset.id = account.asset_id
    WHERE (%(account)s = '' OR account.reference = %(account)s) AND account.reference > %(after)s
        AND EXISTS (SELECT FROM ledger.external_statement WHERE external_statement.account_id = account.id)
    ORDER BY account.reference
    LIMIT %(count)s
), newest AS (
    SELECT DISTINCT ON (statement.account_id) statement.account_id, statement.reference, statement.last_day,
        statement.closing
    FROM ledger.external_statement AS statement
    JOIN wanted ON wanted.id = statement.account_id
    ORDER BY statement.account_id, statement.last_day DESC, statement.id DESC
), computed AS (
    SELECT newest.account_id,
        CASE
            WHEN opening.balance IS NULL
                OR (newest.last_day + 1)::timestamp AT TIME ZONE 'UTC' > opening.latest_at
            THEN coalesce(opening.balance, 0) + coalesce(sum(
                CASE WHEN posting.side = wanted.normal_side THEN posting.amount ELSE -posting.amount END
            ), 0)
        END AS balance
    FROM newest
    JOIN wanted ON wanted.id = newest.account_id
    CROSS JOIN LATERAL ledger.opening_of(newest.account_id) AS opening
    LEFT JOIN ledger.posting_view AS posting
        ON posting.account_id = newest.account_id
        AND posting.effective_at < (newest.last_day + 1)::timestamp AT TIME ZONE 'UTC'
    GROUP BY newest.account_id, newest.last_day, opening.balance, opening.latest_at
), waiting AS (
    SELECT item.account_id, count(*) FILTER (WHERE item.state = 1) AS open,
        count(*) FILTER (WHERE item.state = 2) AS explained, sum(item.difference) AS difference
    FROM ledger.reconciliation_exception AS item
    JOIN wanted ON wanted.id = item.account_id
    WHERE item.state IN (1, 2)
    GROUP BY item.account_id
), gap AS (
    SELECT DISTINCT ON (later.account_id) later.account_id, later.reference
    FROM ledger.external_statement AS later
    JOIN wanted ON wanted.id = later.account_id
    WHERE later.opening IS NOT NULL
        AND EXISTS (
            SELECT FROM ledger.external_statement AS earlier
            WHERE earlier.account_id = later.account_id AND earlier.closing IS NOT NULL
                AND (earlier.first_day, earlier.last_day, earlier.id) < (later.first_day, later.last_day, later.id)
        )
        AND NOT EXISTS (
            SELECT FROM ledger.external_statement AS other
            WHERE other.account_id = later.account_id AND other.id <> later.id AND other.closing = later.opening
                AND other.first_day <= later.first_day
        )
    ORDER BY later.account_id, later.first_day, later.id
)
SELECT wanted.reference, wanted.code, wanted.scale, newest.reference, newest.last_day, newest.closing,
    computed.balance::bigint, coalesce(waiting.open, 0), coalesce(waiting.explained, 0),
    coalesce(waiting.difference, 0), coalesce(gap.reference, '')
FROM wanted
JOIN newest ON newest.account_id = wanted.id
JOIN computed ON computed.account_id = wanted.id
LEFT JOIN waiting ON waiting.account_id = wanted.id
LEFT JOIN gap ON gap.account_id = wanted.id
ORDER BY wanted.reference
