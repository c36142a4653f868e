SELECT count(*) FROM log.audit_record WHERE organization = %s AND kind = 'checkpoint'
