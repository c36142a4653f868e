SELECT coalesce(max(to_seq) FILTER (WHERE kind = 'checkpoint'), 0),
    coalesce(max(to_seq) FILTER (WHERE kind = 'cosignature'), 0),
    count(*) FILTER (WHERE kind = 'checkpoint')
FROM log.audit_record WHERE kind IN ('checkpoint', 'cosignature') AND organization = %s
