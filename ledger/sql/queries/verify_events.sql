-- Proves the events after entries first .. last: their numbers and times, and that what each tells stands so in the books;
-- and that entries that captured a hold are told of. Rows as those of verify_range: findings, and captures:
--   8 capture: number 1 where it is the hold's last; account; what the entry takes from it; what its event says remains
--     held (null without one); the hold's amount; text is the hold
-- Looks other rows up by their keys only: how many there are to a range is not known before.
WITH event AS MATERIALIZED (
    SELECT event.after_seq, event.number, event.kind, event.account_id, event.at, event.payload, event.hold_id,
        event.amount, event.remaining, entry.posted_at, entry.hold_id AS captured_hold,
        lag(event.number, 1, 0) OVER (PARTITION BY event.after_seq ORDER BY event.number) AS before,
        CASE WHEN event.payload ->> 'period' ~ '^[0-9]{1,9}$' THEN (event.payload ->> 'period')::integer END AS period,
        CASE
            WHEN event.payload ->> 'monitor' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                THEN (event.payload ->> 'monitor')::uuid
        END AS monitor
    FROM ledger.event_view AS event
    LEFT JOIN ledger.entry ON entry.seq = event.after_seq
    WHERE event.after_seq BETWEEN %(first)s AND %(last)s
), capture AS MATERIALIZED (
    SELECT entry.seq, entry.posted_at, entry.hold_id, hold.account_id, hold.amount, told.number AS told_number,
        told.amount AS told_amount, told.remaining AS told_remaining,
        hold.state = 2 AND hold.entry_seq = entry.seq AS is_last,
        (
            SELECT -sum(posting.amount::numeric * CASE account.normal_side WHEN 1 THEN 1 ELSE -1 END)
            FROM ledger.signed_posting AS posting
            JOIN ledger.account ON account.id = posting.account_id
            WHERE posting.seq = entry.seq AND posting.account_id = hold.account_id
        ) AS taken
    FROM ledger.entry
    LEFT JOIN ledger.hold ON hold.id = entry.hold_id
    LEFT JOIN LATERAL (
        SELECT number, amount, remaining FROM ledger.event_view
        WHERE after_seq = entry.seq AND kind = 'hold.captured'
        ORDER BY number LIMIT 1
    ) AS told ON true
    WHERE entry.seq BETWEEN %(first)s AND %(last)s AND entry.hold_id IS NOT NULL
), unlike AS (
    SELECT event.after_seq, event.number, event.kind || ' of hold ' || coalesce(event.hold_id::text, 'null') AS what
    FROM event
    LEFT JOIN ledger.hold ON hold.id = event.hold_id
    WHERE event.kind IN ('hold.placed', 'hold.captured', 'hold.released', 'hold.expired')
        AND (event.account_id = hold.account_id AND CASE event.kind
            WHEN 'hold.placed' THEN
                (event.amount, event.remaining, event.at) = (hold.amount, hold.amount, hold.placed_at)
            WHEN 'hold.captured' THEN
                event.at >= hold.placed_at AND event.at < hold.expires_at
                AND event.at <= coalesce(hold.ended_at, event.at) AND (
                    event.after_seq <= (SELECT ledger.archived_seq())
                    OR (event.hold_id, event.at) = (event.captured_hold, event.posted_at)
                )
            ELSE
                (event.amount, event.remaining, event.at) = (hold.amount - hold.captured, 0, hold.ended_at)
                AND hold.state = CASE event.kind WHEN 'hold.released' THEN 3 ELSE 4 END
        END) IS NOT TRUE
    UNION ALL
    SELECT event.after_seq, event.number, event.kind
    FROM event
    LEFT JOIN ledger.account_change AS change ON event.kind = 'account.changed'
        AND change.account_id = event.account_id AND change.number::text = event.payload ->> 'change'
    LEFT JOIN ledger.period ON event.kind LIKE 'period.%%' AND period.number = event.period
    LEFT JOIN ledger.period_reopening AS opened ON opened.number = period.number
    LEFT JOIN ledger.monitor ON event.kind = 'monitor.fired' AND monitor.id = event.monitor
    WHERE event.kind NOT IN ('hold.placed', 'hold.captured', 'hold.released', 'hold.expired') AND CASE event.kind
        WHEN 'account.changed' THEN event.at = change.at AND (
            event.payload ->> 'status', event.payload ->> 'floor_minor', event.payload ->> 'overdraft_minor',
            event.payload ->> 'ceiling_minor'
        ) IS NOT DISTINCT FROM (
            change.after ->> 'status', change.after ->> 'floor', change.after ->> 'overdraft', change.after ->> 'ceiling'
        )
        WHEN 'period.closed' THEN (event.at, event.after_seq, event.payload ->> 'closed_before') = (
            period.closed_at, period.last_seq,
            to_char(period.closed_before AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        )
        WHEN 'period.reopened' THEN event.at = opened.reopened_at
        WHEN 'monitor.fired' THEN (
            event.account_id, event.payload ->> 'field', event.payload ->> 'operator', event.payload ->> 'value_minor'
        ) = (
            monitor.account_id, ('{balance,available,held}'::text[])[monitor.field],
            ('{>=,<=,>,<,=}'::text[])[monitor.operator], monitor.value::text
        )
        WHEN 'webhook.dead' THEN true
        ELSE false
    END IS NOT TRUE
    UNION ALL
    SELECT seq, told_number, 'hold.captured of hold ' || hold_id
    FROM capture
    WHERE told_amount IS DISTINCT FROM taken AND told_number IS NOT NULL
)
SELECT 3, after_seq, 0::bigint, NULL::bigint, NULL::numeric, NULL::numeric, NULL::numeric,
    'event ' || after_seq || '.' || before + 1 || E'\tis missing: event ' || after_seq || '.' || number || ' stands after it'
FROM event
WHERE number > before + 1
UNION ALL
SELECT 3, after_seq, 0, NULL, NULL, NULL, NULL,
    'event ' || after_seq || '.' || number || E'\tstands twice, or below number 1'
FROM event
WHERE number <= before
UNION ALL
SELECT 3, after_seq, 0, NULL, NULL, NULL, NULL,
    'event ' || after_seq || '.' || number || E'\tfollows entry ' || after_seq || ', which does not stand'
FROM event
WHERE after_seq NOT BETWEEN 0 AND (SELECT ledger.archived_seq()) AND posted_at IS NULL
UNION ALL
-- What the posting engine tells it tells at the time of its batch.
SELECT 3, after_seq, 0, NULL, NULL, NULL, NULL,
    'event ' || after_seq || '.' || event.number || E'\tis told for another time than it stands at'
FROM event
LEFT JOIN ledger.entry AS next ON next.seq = after_seq + 1
WHERE (kind LIKE 'hold.%%' OR kind = 'monitor.fired') AND (at < event.posted_at OR at > next.posted_at)
UNION ALL
SELECT 3, after_seq, 0, NULL, NULL, NULL, NULL,
    'event ' || after_seq || '.' || number || E'\ttells of what does not stand so: ' || what
FROM unlike
GROUP BY after_seq, number, what
UNION ALL
SELECT 3, seq, 0, NULL, NULL, NULL, NULL, 'entry ' || seq || E'\tno event tells that it captured hold ' || hold_id
FROM capture
WHERE posted_at > (SELECT events_since FROM ledger.head WHERE id = 1) AND told_number IS NULL
UNION ALL
SELECT 8, seq, CASE WHEN is_last THEN 1 ELSE 0 END, account_id, taken, told_remaining, amount, hold_id::text
FROM capture
