-- Proves entries first .. last by themselves, and tells what only the entries before them can prove.
-- Rows: kind, seq, number of the posting, account, three figures, text. Kinds:
--   1 to 3 findings: the sequence, the entry, what hangs on it; text is what is wrong, subject stands before the tab
--   4 balance that does not follow from the one before: the balance, the sum of the range up to here
--   5 posting of an account's first entry here: previous entry, balance, change (null where another posting came first)
--   6 account: sum of the range, last balance, number of postings; seq is its newest entry
--   7 mark: its number, less the postings of this range up to here (null where none stands at that entry)
-- Reads rows as an administrator may have left them: sums are numeric, so that none overflows, and NULL is never equal.
WITH entry AS (
    SELECT * FROM ledger.entry WHERE seq BETWEEN %(first)s AND %(last)s
), posting AS MATERIALIZED (
    SELECT posting.seq, posting.number, posting.account_id, posting.balance, posting.previous_seq AS previous,
        posting.posted_at, posting.effective_at,
        posting.amount::numeric * CASE account.normal_side WHEN 1 THEN 1 ELSE -1 END AS change,
        account.id IS NULL OR account.asset_id IS DISTINCT FROM posting.asset_id AS misplaced
    FROM ledger.signed_posting AS posting
    LEFT JOIN ledger.account ON account.id = posting.account_id
    WHERE posting.seq BETWEEN %(first)s AND %(last)s
), running AS MATERIALIZED (
    SELECT posting.*,
        sum(change) OVER own AS total,
        row_number() OVER own AS place,
        row_number() OVER (PARTITION BY account_id ORDER BY seq DESC, number DESC) AS place_from_end,
        lag(balance) OVER (PARTITION BY account_id ORDER BY seq, number) + change AS following_balance,
        max(seq) OVER (
            PARTITION BY account_id ORDER BY seq RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS expected_previous
    FROM posting
    WINDOW own AS (PARTITION BY account_id ORDER BY seq, number ROWS UNBOUNDED PRECEDING)
), of_account AS (
    SELECT account_id, seq, max(place) AS place, sum(change) AS change, min(posted_at) AS posted_at,
        min(effective_at) AS effective_at
    FROM running
    GROUP BY account_id, seq
), numbered AS (
    SELECT seq, posted_at, lag(seq, 1, %(after)s::bigint) OVER own::numeric AS previous,
        lag(posted_at) OVER own AS posted_before
    FROM entry
    WINDOW own AS (ORDER BY seq)
), reversal AS (
    -- By whole accounts: the original and what takes it back may stand on different stripes of one.
    SELECT entry.seq, entry.reverses, taken.account_id, taken.amount, taken.so_far, original.amount AS original
    FROM entry
    CROSS JOIN LATERAL (
        SELECT coalesce(account.stripe_of, posting.account_id) AS account_id, sum(posting.amount::numeric) AS so_far,
            sum(posting.amount::numeric) FILTER (WHERE posting.seq = entry.seq) AS amount
        FROM ledger.entry AS other
        JOIN ledger.signed_posting AS posting ON posting.seq = other.seq
        LEFT JOIN ledger.account ON account.id = posting.account_id
        WHERE other.reverses = entry.reverses AND other.seq <= entry.seq
        GROUP BY 1
    ) AS taken
    CROSS JOIN LATERAL (
        SELECT sum(posting.amount::numeric) AS amount
        FROM ledger.signed_posting AS posting
        LEFT JOIN ledger.account ON account.id = posting.account_id
        WHERE posting.seq = entry.reverses AND posting.reverses IS NULL AND posting.seq < entry.seq
            AND coalesce(account.stripe_of, posting.account_id) = taken.account_id
    ) AS original
    -- What archived entries were made of is known from their file only.
    WHERE entry.reverses > (SELECT ledger.archived_seq()) AND taken.amount IS NOT NULL
), dated AS (
    SELECT account_id, seq, posted_at, effective_at, change FROM of_account WHERE effective_at <> posted_at
), older AS (
    SELECT part.first_seq, known.greatest_key
    FROM ledger.partition AS part
    CROSS JOIN LATERAL (
        SELECT greatest_key FROM ledger.partition WHERE last_seq < part.first_seq
        UNION ALL
        SELECT greatest_key FROM ledger.archive WHERE restored_at IS NULL
        ORDER BY greatest_key DESC NULLS LAST LIMIT 1
    ) AS known
), batch AS (
    SELECT first_seq, last_seq, lag(last_seq) OVER (ORDER BY first_seq) AS before
    FROM (
        (SELECT first_seq, last_seq FROM ledger.batch WHERE first_seq < %(first)s ORDER BY first_seq DESC LIMIT 1)
        UNION ALL
        SELECT first_seq, last_seq FROM ledger.batch WHERE first_seq BETWEEN %(first)s AND %(last)s
    ) AS given
)
SELECT 1, (previous + 1)::bigint, 0::bigint, NULL::bigint, NULL::numeric, NULL::numeric, NULL::numeric,
    'entry ' || previous + 1 || E'\tis missing: entry ' || seq || ' follows entry ' || previous
FROM numbered
WHERE seq > previous + 1
UNION ALL
SELECT 1, seq, 0, NULL, NULL, NULL, NULL, 'entry ' || seq || E'\tstands twice, or below number 1'
    || CASE WHEN seq BETWEEN 1 AND (SELECT ledger.archived_seq()) THEN ', or among archived ones' ELSE '' END
FROM numbered
WHERE seq <= previous
UNION ALL
SELECT 1, seq, 0, NULL, NULL, NULL, NULL, 'entry ' || seq || E'\twas posted before the entry that it follows'
FROM numbered
WHERE posted_at < posted_before
UNION ALL
SELECT 2, seq, 0, NULL, NULL, NULL, NULL, 'entry ' || seq || E'\tits debits do not equal its credits'
FROM entry
WHERE CASE
        WHEN posting_amount IS NULL THEN amount > 0 AND debit_account <> credit_account
        ELSE ledger.entry_balances(posting_asset, posting_amount)
    END IS NOT TRUE
UNION ALL
SELECT 2, seq, number, NULL, NULL, NULL, NULL,
    'entry ' || seq || E'\tposting ' || number || ' names no account, or one of another asset'
FROM posting
WHERE misplaced
UNION ALL
SELECT 2, seq, 0, NULL, NULL, NULL, NULL,
    'entry ' || seq || E'\ttakes back what entry ' || reverses || ' does not have, or more than remains of it'
FROM reversal
WHERE (amount * original < 0 AND abs(so_far) <= abs(original)) IS NOT TRUE
GROUP BY seq, reverses
UNION ALL
SELECT 2, seq, 0, NULL, NULL, NULL, NULL, 'entry ' || seq || E'\tis no part of the chain of entry ' || chain_seq
FROM entry
WHERE chain_seq IS NOT NULL AND chain_seq <> seq AND seq <> (SELECT ledger.archived_seq()) + 1 AND NOT EXISTS (
        SELECT FROM ledger.entry AS before WHERE before.seq = entry.seq - 1 AND before.chain_seq = entry.chain_seq
    )
UNION ALL
-- Within a partition an index keeps keys apart. Keys in the order of time are greater than all of the partitions before.
SELECT 2, entry.seq, 0, NULL, NULL, NULL, NULL, 'entry ' || entry.seq || E'\tits key stands under an earlier entry, too'
FROM entry
JOIN ledger.partition AS part ON entry.seq BETWEEN part.first_seq AND part.last_seq
JOIN older ON older.first_seq = part.first_seq AND entry.key <= older.greatest_key
WHERE EXISTS (SELECT FROM ledger.entry AS old WHERE old.key = entry.key AND old.seq < part.first_seq)
    OR EXISTS (SELECT FROM ledger.past_key AS old WHERE old.key = entry.key)
UNION ALL
SELECT 3, coalesce(dated.seq, written.seq), 0, NULL, NULL, NULL, NULL,
    'entry ' || coalesce(dated.seq, written.seq) || E'\tis not among the dated postings of account '
        || coalesce(account.reference, account_id::text, 'null') || ' as it was posted'
FROM dated
FULL JOIN (
    SELECT * FROM ledger.dated_posting
    WHERE seq BETWEEN %(first)s AND %(last)s AND seq > (SELECT ledger.archived_seq())
) AS written USING (account_id, seq)
LEFT JOIN ledger.account ON account.id = account_id
WHERE (dated.effective_at, dated.posted_at, dated.change)
    IS DISTINCT FROM (written.effective_at, written.posted_at, written.change)
UNION ALL
SELECT 3, first_seq, 0, NULL, NULL, NULL, NULL,
    'batch ' || first_seq || E'\tdoes not follow the batch before it, which ends with entry ' || coalesce(before, 0)
FROM batch
WHERE first_seq >= %(first)s AND first_seq <> coalesce(before, 0)::numeric + 1
UNION ALL
SELECT 3, first_seq, 0, NULL, NULL, NULL, NULL, 'batch ' || first_seq || E'\tcovers entries that do not stand'
FROM batch
WHERE first_seq >= %(first)s AND last_seq > (SELECT ledger.archived_seq())
    AND NOT EXISTS (SELECT FROM ledger.entry WHERE seq = batch.last_seq)
UNION ALL
SELECT 4, seq, number, account_id, balance, total, NULL, NULL
FROM running
WHERE place > 1 AND balance IS DISTINCT FROM following_balance
UNION ALL
SELECT 3, seq, number, account_id, NULL, NULL, NULL,
    'entry ' || seq || E'\tposting ' || number || ' points back to entry ' || coalesce(previous::text, 'null')
        || ', not to ' || expected_previous
FROM running
WHERE expected_previous IS NOT NULL AND previous IS DISTINCT FROM expected_previous
UNION ALL
SELECT 5, seq, number, account_id, previous, balance, CASE place WHEN 1 THEN coalesce(change, 0) END, NULL
FROM running
WHERE expected_previous IS NULL
UNION ALL
SELECT 6, seq, 0, account_id, total, balance, place, NULL
FROM running
WHERE place_from_end = 1
UNION ALL
SELECT 7, mark.seq, 0, mark.account_id,
    CASE mark.posted_at WHEN of_account.posted_at THEN mark.number - of_account.place END, NULL, NULL, NULL
FROM of_account
JOIN ledger.mark ON mark.account_id = of_account.account_id AND mark.seq = of_account.seq
