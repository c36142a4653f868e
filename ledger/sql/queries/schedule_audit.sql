SELECT schedule_id, due_at, problem FROM ledger.schedule_audit ORDER BY schedule_id, due_at, problem LIMIT %s
