-- Reads rows as an administrator may have left them: sums are numeric, so that none overflows, and NULL is never equal.
WITH posting AS (
    SELECT posting.seq, posting.number, posting.account_id, posting.asset_id, posting.balance,
        posting.previous_seq AS previous,
        posting.amount::numeric * CASE account.normal_side WHEN 1 THEN 1 ELSE -1 END AS change,
        account.id IS NULL OR account.asset_id IS DISTINCT FROM posting.asset_id AS misplaced
    FROM ledger.signed_posting AS posting
    LEFT JOIN ledger.account ON account.id = posting.account_id
), running AS (
    SELECT posting.*,
        sum(change) OVER own AS expected_balance,
        lag(balance, 1, 0::bigint) OVER (PARTITION BY account_id ORDER BY seq, number) + change AS following_balance,
        coalesce(max(seq) OVER (
            PARTITION BY account_id ORDER BY seq RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS expected_previous
    FROM posting
    WINDOW own AS (PARTITION BY account_id ORDER BY seq, number ROWS UNBOUNDED PRECEDING)
), total AS (
    SELECT account_id, sum(change) AS balance, max(seq) AS last_seq, count(*) AS posting_count
    FROM posting
    GROUP BY account_id
), placed AS (
    SELECT account_id, sum(amount - captured) AS held FROM ledger.hold WHERE state = 1 GROUP BY account_id
), numbered AS (
    SELECT seq, lag(seq, 1, 0::bigint) OVER (ORDER BY seq)::numeric AS previous FROM ledger.entry
), finding (kind, place, seq, subject, problem) AS (
    SELECT 1, seq, (previous + 1)::bigint, 'entry ' || previous + 1, 'is missing: entry ' || seq || ' follows entry ' || previous
    FROM numbered
    WHERE seq > previous + 1
    UNION ALL
    SELECT 1, seq, seq, 'entry ' || seq, 'stands twice, or below number 1'
    FROM numbered
    WHERE seq <= previous
    UNION ALL
    SELECT 1, 0, 0, 'entry of key ' || coalesce(key::text, 'null'), 'has no number'
    FROM ledger.entry
    WHERE seq IS NULL
    UNION ALL
    SELECT 1, 0, 0, 'head', 'does not stand exactly once'
    FROM (SELECT count(*) AS heads FROM ledger.head) AS counted
    WHERE heads <> 1
    UNION ALL
    SELECT 1, head.next_seq, 0, 'head',
        'says the next entry is ' || head.next_seq || ', the newest entry is ' || newest.seq
    FROM ledger.head
    CROSS JOIN (SELECT coalesce(max(seq), 0) AS seq FROM ledger.entry) AS newest
    WHERE head.next_seq <> newest.seq::numeric + 1
    UNION ALL
    SELECT 2, seq, seq, 'entry ' || seq, 'its debits do not equal its credits'
    FROM ledger.entry
    WHERE CASE
            WHEN posting_amount IS NULL THEN amount > 0 AND debit_account <> credit_account
            ELSE ledger.entry_balances(posting_asset, posting_amount)
        END IS NOT TRUE
    UNION ALL
    SELECT 2, seq, seq, 'entry ' || seq, 'posting ' || number || ' names no account, or one of another asset'
    FROM posting
    WHERE misplaced
    UNION ALL
    -- After a changed amount every later sum differs: only the posting that breaks the chain is named.
    SELECT 3, seq, seq, 'entry ' || seq,
        'posting ' || number || ' leaves balance ' || coalesce(balance::text, 'null') || ', its postings sum to '
            || coalesce(expected_balance::text, 'nothing')
    FROM running
    WHERE balance IS DISTINCT FROM expected_balance AND balance IS DISTINCT FROM following_balance
    UNION ALL
    SELECT 3, seq, seq, 'entry ' || seq,
        'posting ' || number || ' points back to entry ' || coalesce(previous::text, 'null') || ', not to '
            || expected_previous
    FROM running
    WHERE previous IS DISTINCT FROM expected_previous
    UNION ALL
    SELECT 4, account.id, 0, 'account ' || account.reference,
        'has balance ' || account.balance || ', its postings sum to ' || coalesce(total.balance, 0)
    FROM ledger.account
    LEFT JOIN total ON total.account_id = account.id
    WHERE account.balance <> coalesce(total.balance, 0)
    UNION ALL
    SELECT 4, account.id, 0, 'account ' || account.reference,
        'does not name its newest entry or its number of postings'
    FROM ledger.account
    LEFT JOIN total ON total.account_id = account.id
    WHERE account.last_seq <> coalesce(total.last_seq, 0) OR account.posting_count <> coalesce(total.posting_count, 0)
    UNION ALL
    SELECT 4, account.id, 0, 'account ' || account.reference,
        'holds ' || account.held || ', its placed holds sum to ' || coalesce(placed.held, 0)
    FROM ledger.account
    LEFT JOIN placed ON placed.account_id = account.id
    WHERE account.held <> coalesce(placed.held, 0)
)
SELECT coalesce(seq, 0), subject, problem FROM finding ORDER BY kind, place, problem LIMIT %s
