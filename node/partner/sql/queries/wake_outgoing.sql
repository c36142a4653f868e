UPDATE partner.outgoing SET next_attempt_at = %(now)s
WHERE (state IN ('ordered', 'held', 'prepared', 'captured') OR abort_due) AND next_attempt_at > %(now)s
