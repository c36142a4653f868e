SELECT coalesce(violation.seq, 0), violation.explanation FROM compliance.violation ORDER BY violation.seq LIMIT %(count)s
