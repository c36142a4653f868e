SELECT id, definition, status, step, number, due_at, attempts, wake_at
FROM ledger.schedule
WHERE status = 1 AND wake_at <= %s
ORDER BY wake_at, id
LIMIT %s
