-- Why: verify holds events against holds, accounts and periods. Books that are older than events have steps that none tells
-- of: when the newest of those was is written down, so that a later one without its event is a finding.
ALTER TABLE ledger.head ADD COLUMN events_since timestamptz NOT NULL DEFAULT '-infinity';
COMMENT ON COLUMN ledger.head.events_since IS 'every step of a hold, account or period after this moment has its event';

UPDATE ledger.head SET events_since = greatest('-infinity', (
    SELECT max(step.at)
    FROM (
        SELECT at, 'account.changed' AS kind, account_id || ' ' || number AS thing
        FROM ledger.account_change
        WHERE account_id IN (SELECT id FROM ledger.account WHERE stripe_of IS NULL)
        UNION ALL
        SELECT closed_at, 'period.closed', number::text FROM ledger.period
        UNION ALL
        SELECT reopened_at, 'period.reopened', number::text FROM ledger.period_reopening
    ) AS step
    LEFT JOIN (
        SELECT kind, CASE kind
            WHEN 'account.changed' THEN account_id || ' ' || (payload ->> 'change')
            ELSE payload ->> 'period'
        END AS thing
        FROM ledger.event WHERE kind IN ('account.changed', 'period.closed', 'period.reopened')
    ) AS told USING (kind, thing)
    WHERE told.kind IS NULL
));

-- Holds are many: they are looked through only where one was placed before anything was told.
UPDATE ledger.head SET events_since = greatest(events_since, (
    SELECT max(step.at)
    FROM (
        SELECT placed_at AS at, 'hold.placed' AS kind, id::text AS thing FROM ledger.hold
        UNION ALL
        SELECT ended_at, CASE state WHEN 3 THEN 'hold.released' ELSE 'hold.expired' END, id::text
        FROM ledger.hold WHERE state IN (3, 4)
        UNION ALL
        SELECT posted_at, 'hold.captured', seq || ' ' || hold_id FROM ledger.entry WHERE hold_id IS NOT NULL
    ) AS step
    LEFT JOIN (
        SELECT kind, CASE kind WHEN 'hold.captured' THEN after_seq || ' ' ELSE '' END
            || coalesce(hold_id::text, payload ->> 'hold') AS thing
        FROM ledger.event WHERE kind IN ('hold.placed', 'hold.captured', 'hold.released', 'hold.expired')
    ) AS told USING (kind, thing)
    WHERE told.kind IS NULL
))
WHERE (SELECT min(placed_at) FROM ledger.hold) < coalesce(
    (SELECT at FROM ledger.event ORDER BY after_seq, number LIMIT 1), 'infinity'
);
