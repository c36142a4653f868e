-- Histories that have a gap, whose changes do not follow from one another, or that do not end where things stand; reports
-- of periods that do not give their digest; and schedules whose occurrences are not those of the entries.
WITH change AS MATERIALIZED (
    -- What a change of metadata changes is one name of the account's.
    SELECT 'terms of account ' || account.reference AS subject, '' AS name, change.number, change.before, change.after
    FROM ledger.account_change AS change
    JOIN ledger.account ON account.id = change.account_id
    UNION ALL
    SELECT 'metadata of account ' || account.reference, change.name, change.number, to_jsonb(change.before),
        to_jsonb(change.after)
    FROM ledger.metadata_change AS change
    JOIN ledger.account ON account.id = change.account_id
    UNION ALL
    SELECT 'alias ' || alias, '', number, to_jsonb(before), to_jsonb(after) FROM ledger.alias_change
    UNION ALL
    SELECT 'chart of book ' || book.code, 'version', change.number, NULL, to_jsonb(change.number)
    FROM ledger.chart_change AS change
    JOIN ledger.book ON book.id = change.book_id
    UNION ALL
    SELECT 'orders of schedule ' || schedule_id, number::text, number, NULL, NULL FROM ledger.schedule_change
), stands AS (
    SELECT 'metadata of account ' || account.reference AS subject, pair.key AS name, to_jsonb(pair.value) AS value
    FROM ledger.account_metadata AS kept
    JOIN ledger.account ON account.id = kept.account_id
    CROSS JOIN LATERAL jsonb_each_text(kept.pairs) AS pair
    UNION ALL
    SELECT 'alias ' || alias, '', to_jsonb(account_id) FROM ledger.alias WHERE account_id IS NOT NULL
    UNION ALL
    SELECT 'chart of book ' || code, 'version', to_jsonb(version) FROM ledger.book WHERE version > 0
), ordered AS (
    SELECT subject, name, number, before, after,
        lag(number, 1, 0::bigint) OVER (PARTITION BY subject ORDER BY number) AS number_before,
        lag(after) OVER (PARTITION BY subject, name ORDER BY number) AS value_before,
        row_number() OVER (PARTITION BY subject, name ORDER BY number DESC) = 1 AS is_newest
    FROM change
)
SELECT 0, subject, 'change ' || number_before + 1 || ' is missing: change ' || number || ' stands after it'
FROM ordered
WHERE number > number_before + 1
UNION ALL
SELECT 0, subject, 'change ' || number || ' does not begin where the change before it ends'
FROM ordered
WHERE before IS DISTINCT FROM value_before
    AND NOT (subject LIKE 'terms of account %%' AND number_before = 0) AND name <> 'version'
UNION ALL
SELECT 0, coalesce(newest.subject, stands.subject),
    'stands otherwise than its history ends' || coalesce(': ' || nullif(coalesce(newest.name, stands.name), ''), '')
FROM (SELECT * FROM ordered WHERE is_newest AND subject !~ '^(terms of account|orders of schedule) ') AS newest
FULL JOIN stands ON stands.subject = newest.subject AND stands.name = newest.name
WHERE newest.after IS DISTINCT FROM stands.value
UNION ALL
SELECT 0, 'report of period ' || report.number, 'does not give its digest'
FROM ledger.period_report AS report
LEFT JOIN ledger.period ON period.number = report.number
LEFT JOIN ledger.period_report AS before ON before.number = report.number - 1
WHERE report.digest IS DISTINCT FROM ledger.period_digest(
    period, report.entry_count, report.lines, coalesce(before.digest, '\x'::bytea)
)
UNION ALL
SELECT coalesce(seq, 0), 'schedule ' || schedule_id || ' at ' || due_at, problem FROM ledger.schedule_audit
ORDER BY 1, 2, 3
LIMIT %s
