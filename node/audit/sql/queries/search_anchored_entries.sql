-- Entries of all anchors, disclosed or not, in the order of their anchors. An anchor has at least one entry, and of the
-- first only what the page before left: so one anchor more than entries wanted is enough.
WITH anchor AS (
    SELECT block_number, tx_number, organization, transaction_id, recorded_at, signer, from_seq, to_seq
    FROM log.audit_record AS c
    WHERE kind = 'checkpoint' AND {conditions}
    ORDER BY block_number {direction}, tx_number {direction}
    LIMIT %(limit)s + 1
),
entry AS (
    SELECT anchor.*, numbered.seq
    FROM anchor
    CROSS JOIN LATERAL (
        SELECT seq
        FROM generate_series(
            greatest(anchor.from_seq, %(from_seq)s), least(anchor.to_seq, %(to_seq)s)
        ) AS seq
        WHERE {after}
        ORDER BY seq {direction}
        LIMIT %(limit)s
    ) AS numbered
    ORDER BY block_number {direction}, tx_number {direction}, seq {direction}
    LIMIT %(limit)s
)
SELECT e.organization, e.seq, e.block_number, e.tx_number, e.transaction_id, e.recorded_at, e.signer, attested.yes,
    d.fields, d.demand_id, d.disclosed_at, coalesce(review.decision, d.decision), review.signer, d.rules_hash, d.worth,
    NULL
FROM entry AS e
LEFT JOIN log.disclosed_entry AS d USING (organization, seq)
{attested}
{review}
ORDER BY e.block_number {direction}, e.tx_number {direction}, e.seq {direction}
