-- Whether another member vouches for an entry.
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM log.audit_record
        WHERE kind = 'cosignature' AND organization = e.organization AND to_seq >= e.seq
    ) AS yes
) AS attested
