INSERT INTO log.case_item (case_id, number, kind, subject, note, added_by, added_at) VALUES (%s, %s, %s, %s, %s, %s, %s)
