SELECT tenant.id, ARRAY(SELECT book_id FROM ledger.tenant_book WHERE tenant_book.tenant_id = tenant.id)
FROM ledger.tenant
WHERE tenant.name = %s
