SELECT DISTINCT organization FROM log.audit_record WHERE kind IN ('log', 'witness', 'disclosure_key') ORDER BY organization
