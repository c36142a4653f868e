-- Demands of an organization and to it, newest first, after a place (block, tx, key), with what became of each as far as this node knows.
SELECT body, recorded_at, block_number, transaction_id, state, reason, tx_number, record_key
FROM (
    SELECT d.body, d.recorded_at, d.block_number, d.tx_number, d.record_key, d.transaction_id,
        CASE
            WHEN answer.yes THEN 'answered'
            WHEN refusal.reason IS NOT NULL THEN 'refused'
            WHEN EXISTS (SELECT FROM log.allowed_demand AS a WHERE a.demand_id = id.id) THEN 'allowed'
            ELSE 'waiting'
        END AS state,
        coalesce(refusal.reason, '') AS reason
    FROM log.audit_record AS d
    CROSS JOIN LATERAL (SELECT substring(d.record_key FROM 8) AS id) AS id
    CROSS JOIN LATERAL (
        SELECT EXISTS (SELECT FROM log.fetched_demand AS f WHERE f.demand_id = id.id)
            OR EXISTS (SELECT FROM log.given_disclosure AS g WHERE g.demand_id = id.id) AS yes
    ) AS answer
    LEFT JOIN LATERAL (
        SELECT r.body::jsonb ->> 'reason' AS reason
        FROM log.audit_record AS r WHERE r.record_key = 'refusal~' || id.id
        LIMIT 1
    ) AS refusal ON true
    WHERE d.kind = 'demand'
        AND (d.block_number, d.tx_number, d.record_key) < (%(block)s, %(tx)s, %(key)s::text COLLATE "C")
        AND (%(demand_id)s::text = '' OR d.record_key = 'demand~' || %(demand_id)s)
        AND (
            %(demand_id)s::text <> '' OR d.organization = %(own)s
            OR d.body::jsonb ->> 'demanding_organization' = %(own)s
        )
        AND (%(organization)s::text = '' OR d.organization = %(organization)s)
) AS found
WHERE %(state)s::text = '' OR state = %(state)s
ORDER BY block_number DESC, tx_number DESC, record_key DESC
LIMIT %(limit)s
