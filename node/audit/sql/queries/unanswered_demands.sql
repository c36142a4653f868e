-- Demands of this organization, made before a time, that nobody refused, of entries that were not disclosed to it since,
-- or of more than entries, which only an answer to that very demand gives.
SELECT organization, id.id, recorded_at
FROM log.audit_record AS demand
CROSS JOIN LATERAL (SELECT substring(demand.record_key FROM 8) AS id) AS id
WHERE kind = 'demand' AND body::jsonb ->> 'demanding_organization' = %(own)s AND recorded_at < %(before)s
    AND NOT EXISTS (SELECT FROM log.audit_record AS r WHERE r.record_key = 'refusal~' || id.id)
    AND NOT EXISTS (SELECT FROM log.fetched_demand AS f WHERE f.demand_id = id.id)
    AND (
        jsonb_array_length(coalesce(body::jsonb -> 'scope', '[]')) > 1
        OR EXISTS (
            SELECT FROM jsonb_array_elements_text(body::jsonb -> 'seqs') AS asked (seq)
            WHERE NOT EXISTS (
                SELECT FROM log.disclosed_entry AS d
                WHERE d.organization = demand.organization AND d.seq = asked.seq::bigint
            )
        )
    )
