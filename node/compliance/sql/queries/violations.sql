SELECT violation.seq, violation.explanation FROM compliance.violation ORDER BY violation.seq LIMIT %(count)s
