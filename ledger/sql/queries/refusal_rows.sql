-- Refusals as an administrator may have left them (see canonical_rows.sql), in order: all, or those judged after some
-- entries. Beside each stands the batch that ends with it, and what the next entry carries.
SELECT refusal.number, refusal.after_seq,
    CASE WHEN refusal.at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN (extract(epoch FROM refusal.at) * 1000000)::bigint END,
    refusal.kind, refusal.key, left(refusal.code, 41), refusal.chained, substring(refusal.request_hash FOR 33),
    CASE WHEN refusal.actor_id IS NULL THEN '' ELSE left(actor.name, 65) END,
    substring(refusal.salt FOR 33), substring(refusal.head FOR 33), batch.first_number,
    substring(batch.signature FOR 65), entry.seq IS NOT NULL, substring(entry.refusals FOR 33)
FROM ledger.refusal
LEFT JOIN ledger.actor ON actor.id = refusal.actor_id
LEFT JOIN LATERAL (
    SELECT first_number, signature FROM ledger.refusal_batch WHERE last_number = refusal.number LIMIT 1
) AS batch ON true
LEFT JOIN LATERAL (
    SELECT seq, refusals FROM ledger.entry
    WHERE seq = CASE WHEN refusal.after_seq < 9223372036854775807 THEN refusal.after_seq + 1 END
    LIMIT 1
) AS entry ON true
WHERE refusal.number IS NOT NULL AND (%(after)s::bigint[] IS NULL OR refusal.after_seq = ANY (%(after)s))
ORDER BY refusal.number
