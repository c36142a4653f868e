-- Proves the events after entries first .. last: their numbers and times, and that what each tells stands so in the books;
-- and that entries that captured a hold are told of. Rows as those of verify_range: findings, and captures:
--   8 capture: number 1 where it is the hold's last; account; what the entry takes from it; what its event says remains
--     held (null without one); the hold's amount; text is the hold
-- Looks other rows up by their keys only: how many there are to a range is not known before.
WITH told AS MATERIALIZED (
    SELECT after_seq, number, kind, account_id, at, payload, hold_id, amount, remaining
    FROM ledger.event_view
    WHERE after_seq BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT after_seq, number, kind, account_id, at, NULL, hold_id, amount, remaining
    FROM ledger.run_events_after(%(first)s, %(last)s)
), event AS MATERIALIZED (
    SELECT told.after_seq, told.number, told.kind, told.account_id, told.at, told.payload, told.hold_id, told.amount,
        told.remaining, entry.posted_at, entry.hold_id AS captured_hold,
        lag(told.number, 1, 0) OVER (PARTITION BY told.after_seq ORDER BY told.number) AS before,
        CASE WHEN told.payload ->> 'period' ~ '^[0-9]{1,9}$' THEN (told.payload ->> 'period')::integer END AS period,
        CASE
            WHEN told.payload ->> 'monitor' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                THEN (told.payload ->> 'monitor')::uuid
        END AS monitor
    FROM told
    LEFT JOIN ledger.entry ON entry.seq = told.after_seq
), capturing AS MATERIALIZED (
    -- Each entry that captured a hold, with the first event of a capture after it, if there is one.
    SELECT DISTINCT ON (seq) seq, number, amount, remaining
    FROM (
        SELECT after_seq AS seq, number, amount, remaining FROM told WHERE kind = 'hold.captured'
        UNION ALL
        SELECT seq, NULL, NULL, NULL FROM ledger.entry WHERE seq BETWEEN %(first)s AND %(last)s AND hold_id IS NOT NULL
    ) AS either
    ORDER BY seq, number NULLS LAST
), capture AS MATERIALIZED (
    SELECT entry.seq, entry.posted_at, entry.hold_id, hold.account_id, hold.amount, capturing.number AS told_number,
        capturing.amount AS told_amount, capturing.remaining AS told_remaining,
        hold.state = 2 AND hold.entry_seq = entry.seq AS is_last,
        (
            SELECT -sum(posting.amount::numeric * CASE account.normal_side WHEN 1 THEN 1 ELSE -1 END)
            FROM ledger.signed_posting AS posting
            JOIN ledger.account ON account.id = posting.account_id
            WHERE posting.seq = entry.seq AND posting.account_id = hold.account_id
        ) AS taken
    FROM capturing
    JOIN ledger.entry ON entry.seq = capturing.seq AND entry.hold_id IS NOT NULL
    LEFT JOIN ledger.hold ON hold.id = entry.hold_id
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
-- A run is found by where its last event stands.
SELECT 3, last_seq, 0, NULL, NULL, NULL, NULL,
    'events up to ' || last_seq || '.' || last_number || E'\tare not those that stand in their run'
FROM ledger.event_run AS run
WHERE last_seq BETWEEN %(first)s AND %(last)s AND (last_seq, last_number) <> (
    SELECT event.after_seq, event.number FROM ledger.run_events(run.*) AS event
    ORDER BY event.after_seq DESC, event.number DESC LIMIT 1
)
UNION ALL
SELECT 8, seq, CASE WHEN is_last THEN 1 ELSE 0 END, account_id, taken, told_remaining, amount, hold_id::text
FROM capture
