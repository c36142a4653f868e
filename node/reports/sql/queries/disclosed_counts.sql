SELECT organization, count(*) FROM log.disclosed_entry GROUP BY organization ORDER BY organization
