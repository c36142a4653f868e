-- What does not fit between scheduled entries and their records; empty in sound books. An entry posted a moment ago is
-- recorded a moment later: the occurrence that a schedule is at is left out.
CREATE OR REPLACE VIEW ledger.schedule_audit AS
SELECT run.schedule_id, run.due_at, run.seq, 'its record names an entry that does not stand under its key' AS problem
FROM ledger.schedule_run AS run
WHERE run.seq IS NOT NULL
    AND NOT EXISTS (SELECT FROM ledger.entry WHERE entry.seq = run.seq AND entry.key = run.key)
    AND NOT EXISTS (SELECT FROM ledger.past_key WHERE past_key.key = run.key AND past_key.seq = run.seq)
UNION ALL
SELECT run.schedule_id, run.due_at, entry.seq, 'it was posted, and no record says so'
FROM ledger.schedule_run AS run
JOIN ledger.entry ON entry.key = run.key AND coalesce(entry.effective_at, entry.posted_at) = run.due_at
JOIN ledger.schedule ON schedule.id = run.schedule_id
WHERE run.due_at IS DISTINCT FROM schedule.due_at
    AND NOT EXISTS (
        SELECT FROM ledger.schedule_run AS other
        WHERE other.schedule_id = run.schedule_id AND other.due_at = run.due_at AND other.seq = entry.seq
    )
UNION ALL
SELECT schedule.id, schedule.due_at, entry.seq, 'it was posted while its schedule was cancelled, and no record says so'
FROM ledger.schedule
JOIN ledger.entry ON entry.key = schedule.key AND coalesce(entry.effective_at, entry.posted_at) = schedule.due_at
WHERE schedule.status = 4 AND NOT EXISTS (SELECT FROM ledger.schedule_run AS run WHERE run.seq = entry.seq)
UNION ALL
SELECT schedule.id, run.due_at, NULL, 'occurrence ' || run.number || ' is on record, occurrence ' || run.number - 1 || ' is not'
FROM ledger.schedule
JOIN ledger.schedule_run AS run ON run.schedule_id = schedule.id AND run.attempt = 1 AND run.number > 1
WHERE NOT EXISTS (
    SELECT FROM ledger.schedule_run AS before
    WHERE before.schedule_id = run.schedule_id AND before.number = run.number - 1
);
