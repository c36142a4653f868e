SELECT settlement_id
FROM partner.outgoing
WHERE (state IN ('ordered', 'held', 'prepared', 'captured') OR abort_due) AND next_attempt_at <= %(now)s
ORDER BY next_attempt_at
LIMIT %(count_max)s
