SELECT coalesce(max(to_seq), 0) FROM log.audit_record WHERE kind = 'epoch' AND organization = %s
