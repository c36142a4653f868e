-- Demands of this organization, made before a time, of entries that were not disclosed to it since.
SELECT organization, body::jsonb ->> 'demand_id', recorded_at
FROM log.audit_record AS demand
WHERE kind = 'demand' AND body::jsonb ->> 'demanding_organization' = %(own)s AND recorded_at < %(before)s
    AND EXISTS (
        SELECT FROM jsonb_array_elements_text(body::jsonb -> 'seqs') AS asked (seq)
        WHERE NOT EXISTS (
            SELECT FROM log.disclosed_entry AS d
            WHERE d.organization = demand.organization AND d.seq = asked.seq::bigint
        )
    )
