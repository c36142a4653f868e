-- Measured by its largest posting in an asset, or by what it was worth to the compliance rules. Each with how many there are.
SELECT e.organization, e.seq, e.posted_at, measured.amount, %(asset)s::text, coalesce(review.decision, e.decision),
    ARRAY(
        SELECT DISTINCT account FROM log.disclosed_posting
        WHERE organization = e.organization AND seq = e.seq ORDER BY account
    ),
    e.settlement_id, c.block_number, c.transaction_id, count(*) OVER ()
FROM log.disclosed_entry AS e
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN %(asset)s::text = '' THEN e.worth
        ELSE (
            SELECT max(amount) FROM log.disclosed_posting
            WHERE organization = e.organization AND seq = e.seq AND asset = %(asset)s
        )
    END AS amount
) AS measured
LEFT JOIN LATERAL (
    SELECT body::jsonb ->> 'decision' AS decision
    FROM log.audit_record
    WHERE record_key = 'review~' || e.decision_id
    ORDER BY block_number DESC, tx_number DESC
    LIMIT 1
) AS review ON true
JOIN LATERAL (
    SELECT block_number, transaction_id
    FROM log.audit_record
    WHERE kind = 'checkpoint' AND organization = e.organization AND to_seq >= e.seq
    ORDER BY to_seq
    LIMIT 1
) AS c ON true
WHERE measured.amount >= %(threshold)s AND e.posted_at >= %(begins_at)s AND e.posted_at < %(ends_at)s
ORDER BY measured.amount DESC, e.organization, e.seq
LIMIT %(count_max)s
