SELECT number, kind, subject, note, added_by, added_at FROM log.case_item WHERE case_id = %s ORDER BY number
