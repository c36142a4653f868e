SELECT
    coalesce((SELECT max(to_seq) FROM log.audit_record WHERE organization = %s AND kind = 'checkpoint'), 0),
    coalesce((SELECT max(to_seq) FROM log.audit_record WHERE organization = %s AND kind = 'cosignature'), 0)
