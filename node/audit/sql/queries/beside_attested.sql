-- Whether another member vouches for an entry; one that cosigned at a time to come does not, as in proofs.
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM log.audit_record
        WHERE kind = 'cosignature' AND organization = e.organization AND to_seq >= e.seq
            AND (body::jsonb ->> 'time')::bigint <= %(until)s
    ) AS yes
) AS attested
