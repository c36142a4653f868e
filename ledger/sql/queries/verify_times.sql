-- What balances in time are computed from, held against the entries: dated postings, marks, sums, runs. Of archived entries
-- the dated postings are taken as they stand: the file of the archive proves those.
WITH border AS MATERIALIZED (
    SELECT ledger.archived_seq() AS seq
), posting AS MATERIALIZED (
    SELECT posted.account_id, posted.seq, posted.posted_at, posted.effective_at, min(posted.previous_seq) AS previous,
        sum(posted.amount::numeric * CASE account.normal_side WHEN 1 THEN 1 ELSE -1 END) AS change,
        coalesce(opening.posting_count, 0)
            + sum(count(*)) OVER (PARTITION BY posted.account_id ORDER BY posted.seq) AS number
    FROM ledger.signed_posting AS posted
    JOIN ledger.account ON account.id = posted.account_id
    LEFT JOIN ledger.account_opening AS opening ON opening.account_id = posted.account_id
    GROUP BY posted.account_id, posted.seq, posted.posted_at, posted.effective_at, opening.posting_count
), dated AS MATERIALIZED (
    SELECT counted.*, sum(change) OVER (PARTITION BY account_id ORDER BY seq) AS total
    FROM (
        SELECT account_id, seq, posted_at, effective_at, change FROM posting WHERE effective_at <> posted_at
        UNION ALL
        SELECT account_id, seq, posted_at, effective_at, change
        FROM ledger.dated_posting WHERE seq <= (SELECT border.seq FROM border)
    ) AS counted
), block AS (
    SELECT account_id, level, last_seq, lag(last_seq, 1, 0::bigint) OVER own AS after_seq
    FROM ledger.dated_block
    WINDOW own AS (PARTITION BY account_id, level ORDER BY last_seq)
), expected_sum AS (
    SELECT block.account_id, block.level, block.last_seq, dated.effective_at,
        sum(sum(dated.change)) OVER (
            PARTITION BY block.account_id, block.level, block.last_seq ORDER BY dated.effective_at
        ) AS total
    FROM block
    JOIN dated ON dated.account_id = block.account_id AND dated.seq > block.after_seq AND dated.seq <= block.last_seq
    GROUP BY block.account_id, block.level, block.last_seq, dated.effective_at
), finding (account_id, seq, problem) AS (
    SELECT account_id, seq, 'is not among the dated postings as it was posted'
    FROM dated
    FULL JOIN ledger.dated_posting AS written USING (account_id, seq)
    WHERE (dated.effective_at, dated.posted_at, dated.change)
        IS DISTINCT FROM (written.effective_at, written.posted_at, written.change)
    UNION ALL
    SELECT account_id, seq, 'is marked at another place of the chain than it has'
    FROM ledger.mark
    LEFT JOIN posting USING (account_id, seq)
    WHERE (mark.number, mark.posted_at) IS DISTINCT FROM (posting.number, posting.posted_at)
        AND mark.seq > (SELECT border.seq FROM border)
    UNION ALL
    SELECT block.account_id, block.last_seq, 'ends a block whose total is not the sum of its dated postings'
    FROM ledger.dated_block AS block
    LEFT JOIN dated ON dated.account_id = block.account_id AND dated.seq = block.last_seq
    WHERE block.total IS DISTINCT FROM dated.total
    UNION ALL
    SELECT DISTINCT account_id, last_seq, 'ends a block whose sums by time are not those of its dated postings'
    FROM expected_sum
    FULL JOIN ledger.dated_sum AS written USING (account_id, level, last_seq, effective_at)
    WHERE expected_sum.total IS DISTINCT FROM written.total
    UNION ALL
    SELECT run.account_id, run.last_seq, 'ends a run that is not one of dated postings only'
    FROM ledger.dated_run AS run
    LEFT JOIN posting AS first ON first.account_id = run.account_id AND first.seq = run.first_seq
    WHERE run.first_seq > (SELECT border.seq FROM border) AND (
        first.previous IS DISTINCT FROM run.previous_seq OR EXISTS (
            SELECT FROM posting
            WHERE posting.account_id = run.account_id AND posting.seq BETWEEN run.first_seq AND run.last_seq
                AND posting.effective_at = posting.posted_at
        )
    )
)
SELECT finding.seq, coalesce(account.reference, finding.account_id::text), finding.problem
FROM finding
LEFT JOIN ledger.account ON account.id = finding.account_id
ORDER BY finding.seq, finding.account_id, finding.problem
LIMIT %s
