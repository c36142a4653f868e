SELECT
    coalesce((SELECT max(to_seq) FROM log.audit_record WHERE organization = %s AND kind = 'checkpoint'), 0),
    coalesce(
        (
            SELECT to_seq FROM log.audit_record
            WHERE organization = %s AND kind = 'cosignature' AND to_seq IS NOT NULL
                AND (body::jsonb ->> 'time')::bigint <= %s
            ORDER BY to_seq DESC LIMIT 1
        ),
        0
    )
