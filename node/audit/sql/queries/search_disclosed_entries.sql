-- Disclosed entries in the order of one of their columns. Which anchor covers an entry is asked for each that is found.
SELECT e.organization, e.seq, c.block_number, c.tx_number, c.transaction_id, c.recorded_at, c.signer, attested.yes,
    e.fields, e.demand_id, e.disclosed_at, coalesce(review.decision, e.decision), review.signer, e.rules_hash, e.worth,
    {key}
FROM log.disclosed_entry AS e
LEFT JOIN LATERAL (
    SELECT block_number, tx_number, transaction_id, recorded_at, signer
    FROM log.audit_record
    WHERE kind = 'checkpoint' AND organization = e.organization AND to_seq >= e.seq
    ORDER BY to_seq
    LIMIT 1
) AS c ON true
{beside}
WHERE {conditions} AND {after}
ORDER BY {key} {direction}, e.organization {direction}, e.seq {direction}
LIMIT %(limit)s
