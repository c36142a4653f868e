SELECT id, definition, status, step, number, due_at, attempts, wake_at FROM ledger.schedule WHERE id = %s
