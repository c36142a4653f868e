SELECT DISTINCT ON (o.organization) o.organization, o.size
FROM log.opened_totals AS o
JOIN log.audit_record AS c ON c.kind = 'checkpoint' AND c.organization = o.organization AND c.to_seq = o.size
WHERE c.recorded_at < %s
ORDER BY o.organization, o.size DESC
