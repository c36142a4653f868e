-- What reconciliation wrote down and its own rows do not bear out: matches, exceptions, decisions, runs and statements.
-- Of what names archived postings, sums are not looked at: their amounts are in the archive's file.
WITH border AS (
    SELECT ledger.archived_seq() AS seq
), member AS MATERIALIZED (
    SELECT match_id, record_id, NULL::bigint AS seq, NULL::smallint AS number, live, false AS archived,
        record.account_id, record.change::numeric AS change
    FROM ledger.match_record
    LEFT JOIN ledger.external_record AS record ON record.id = record_id
    UNION ALL
    SELECT match_id, NULL, match_posting.seq, match_posting.number, live, match_posting.seq <= border.seq,
        posting.account_id, posting.amount::numeric * CASE account.normal_side WHEN 1 THEN -1 ELSE 1 END
    FROM ledger.match_posting
    CROSS JOIN border
    LEFT JOIN LATERAL (
        SELECT account_id, amount FROM ledger.signed_posting AS posting
        WHERE posting.seq = match_posting.seq AND posting.number = match_posting.number
    ) AS posting ON true
    LEFT JOIN ledger.account ON account.id = posting.account_id
), matched AS (
    SELECT found.id, CASE
        WHEN abs(found.difference::numeric) > found.tolerance OR (
            total.archived OR total.fitting AND total.change = found.difference
        ) IS NOT TRUE THEN 'does not differ by what its records and postings give'
        WHEN NOT total.agreeing THEN
            'is dissolved and some of its members are not, or they are and it is not'
    END AS problem
    FROM ledger.reconciliation_match AS found
    LEFT JOIN (
        SELECT match_id, bool_or(member.archived) AS archived, sum(member.change) AS change,
            bool_and(member.account_id IS NOT DISTINCT FROM of_match.account_id) AS fitting,
            bool_and(member.live = (of_match.dissolved_at IS NULL)) AS agreeing
        FROM member
        LEFT JOIN ledger.reconciliation_match AS of_match ON of_match.id = match_id
        GROUP BY match_id
    ) AS total ON total.match_id = found.id
), queued AS (
    SELECT item.id, CASE
        WHEN item.fingerprint <> sha256(convert_to(concat_ws(
            '|', item.kind, array_to_string(item.record_id, ','), array_to_string(item.posting_seq, ','),
            array_to_string(item.posting_number, ',')
        ), 'UTF8')) THEN 'names other members than it was opened for'
        WHEN NOT coalesce(total.archived, false) AND (
            total.change = item.difference AND total.fitting = cardinality(item.record_id) + cardinality(item.posting_seq)
        ) IS NOT TRUE THEN 'does not differ by what its records and postings give'
        WHEN item.state = 5 AND (item.cleared_run_id IS NULL OR newest.decision IN (2, 3))
            OR item.state <> 5 AND (
                item.cleared_run_id IS NOT NULL
                OR item.state <> CASE WHEN newest.decision IN (1, 2, 3) THEN newest.decision + 1 ELSE 1 END
            ) THEN 'is not in the state that its newest decision left'
    END AS problem
    FROM ledger.reconciliation_exception AS item
    LEFT JOIN LATERAL (
        SELECT bool_or(archived) AS archived, sum(change) AS change,
            count(*) FILTER (WHERE account_id = item.account_id) AS fitting
        FROM (
            SELECT false AS archived, record.account_id, record.change::numeric AS change
            FROM unnest(item.record_id) AS wanted (id)
            JOIN ledger.external_record AS record ON record.id = wanted.id
            UNION ALL
            SELECT wanted.seq <= (SELECT seq FROM border), posting.account_id,
                posting.amount::numeric * CASE account.normal_side WHEN 1 THEN -1 ELSE 1 END
            FROM unnest(item.posting_seq, item.posting_number) AS wanted (seq, number)
            LEFT JOIN ledger.signed_posting AS posting ON posting.seq = wanted.seq AND posting.number = wanted.number
            LEFT JOIN ledger.account ON account.id = posting.account_id
        ) AS given
    ) AS total ON true
    LEFT JOIN LATERAL (
        SELECT decision FROM ledger.reconciliation_decision AS made WHERE made.exception_id = item.id
        ORDER BY made.id DESC LIMIT 1
    ) AS newest ON true
)
SELECT 0, 'match ' || id, problem FROM matched WHERE problem IS NOT NULL
UNION ALL
SELECT 0, 'record ' || record_id || ' of a statement', 'stands in more than one match'
FROM member WHERE live AND record_id IS NOT NULL GROUP BY record_id HAVING count(*) > 1
UNION ALL
SELECT seq, 'posting ' || number || ' of entry ' || seq, 'stands in more than one match'
FROM member WHERE live AND seq IS NOT NULL GROUP BY seq, number HAVING count(*) > 1
UNION ALL
SELECT 0, 'exception ' || id, problem FROM queued WHERE problem IS NOT NULL
UNION ALL
SELECT 0, 'decision ' || made.id, 'names a match that its exception is no part of'
FROM ledger.reconciliation_decision AS made
JOIN ledger.reconciliation_exception AS item ON item.id = made.exception_id
WHERE made.decision IN (2, 3, 5) AND NOT (
    EXISTS (
        SELECT FROM ledger.match_record AS taken
        WHERE taken.match_id = made.match_id AND taken.record_id = ANY (item.record_id)
    ) OR EXISTS (
        SELECT FROM unnest(item.posting_seq, item.posting_number) AS named (seq, number)
        JOIN ledger.match_posting AS taken USING (seq, number)
        WHERE taken.match_id = made.match_id
    )
)
UNION ALL
SELECT made.entry_seq, 'decision ' || made.id, 'names entry ' || made.entry_seq || ', which is no part of its match'
FROM ledger.reconciliation_decision AS made
WHERE made.decision = 3 AND NOT EXISTS (
    SELECT FROM ledger.match_posting AS taken WHERE taken.match_id = made.match_id AND taken.seq = made.entry_seq
)
UNION ALL
SELECT 0, 'run ' || run.id || ' of reconciliation', format(
    'says it made %%s matches and opened %%s and ended %%s exceptions, there are %%s, %%s and %%s', run.matched, run.opened,
    run.cleared, coalesce(made.matched, 0), coalesce(opened.opened, 0), coalesce(ended.cleared, 0)
)
FROM ledger.reconciliation_run AS run
LEFT JOIN (
    SELECT run_id, count(*) AS matched FROM ledger.reconciliation_match GROUP BY run_id
) AS made ON made.run_id = run.id
LEFT JOIN (
    SELECT run_id, count(*) AS opened FROM ledger.reconciliation_exception WHERE kind <> 6 GROUP BY run_id
) AS opened ON opened.run_id = run.id
LEFT JOIN (
    SELECT cleared_run_id, count(*) AS cleared FROM ledger.reconciliation_exception GROUP BY cleared_run_id
) AS ended ON ended.cleared_run_id = run.id
WHERE (run.matched, run.opened, run.cleared)
    <> (coalesce(made.matched, 0), coalesce(opened.opened, 0), coalesce(ended.cleared, 0))
UNION ALL
SELECT 0, 'statement ' || statement.id, 'says it lists ' || statement.record_count || ' movements, '
    || count(record.id) || ' of it stand' || CASE WHEN bool_and(record.account_id = statement.account_id) THEN ''
        ELSE ', not all of its account' END
FROM ledger.external_statement AS statement
JOIN ledger.external_record AS record ON record.statement_id = statement.id
GROUP BY statement.id
HAVING count(record.id) > statement.record_count OR NOT bool_and(record.account_id = statement.account_id)
ORDER BY 1, 2, 3
LIMIT %s
