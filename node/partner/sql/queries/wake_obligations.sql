UPDATE partner.obligation SET next_attempt_at = %(now)s
WHERE state IN ('', 'proposed', 'agreed', 'netting') AND next_attempt_at > %(now)s
    AND (%(ids)s::text [] IS NULL OR obligation_id = any(%(ids)s::text []))
