SELECT id, definition, status, step, number, due_at, attempts, wake_at, tenant_id,
    ARRAY(SELECT book_id FROM ledger.tenant_book WHERE tenant_book.tenant_id = schedule.tenant_id)
FROM ledger.schedule
WHERE status = 1 AND wake_at <= %s
ORDER BY wake_at, id
LIMIT %s
