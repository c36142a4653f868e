SELECT due_at, number, attempt, code, seq, at
FROM ledger.schedule_run
WHERE schedule_id = %s AND (due_at, attempt) > (%s, %s)
ORDER BY due_at, attempt
LIMIT %s
