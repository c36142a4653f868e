-- A page of refusals, newest first. Numbers follow the times, so bounds in time become bounds of numbers.
SELECT refusal.number, refusal.after_seq, refusal.at, refusal.kind, refusal.key, refusal.code, refusal.chained,
    refusal.request_hash, coalesce(actor.name, ''), refusal.head
FROM ledger.refusal
LEFT JOIN ledger.actor ON actor.id = refusal.actor_id
WHERE refusal.number < %(before)s
    AND (%(key)s::uuid IS NULL OR refusal.key = %(key)s)
    AND (%(code)s::text IS NULL OR refusal.code = %(code)s)
    AND (%(since)s::timestamptz IS NULL OR refusal.number >= (
        SELECT number FROM ledger.refusal WHERE at >= %(since)s ORDER BY at, number LIMIT 1
    ))
    AND (%(until)s::timestamptz IS NULL OR refusal.number <= (
        SELECT number FROM ledger.refusal WHERE at <= %(until)s ORDER BY at DESC, number DESC LIMIT 1
    ))
ORDER BY refusal.number DESC
LIMIT %(count)s
