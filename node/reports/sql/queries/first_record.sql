SELECT min(recorded_at) FROM log.audit_record
