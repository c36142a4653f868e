SELECT tenant.name,
    ARRAY(
        SELECT book.code
        FROM ledger.tenant_book
        JOIN ledger.book ON book.id = tenant_book.book_id
        WHERE tenant_book.tenant_id = tenant.id
        ORDER BY book.code
    ),
    ARRAY(SELECT role_name FROM ledger.tenant_login WHERE tenant_login.tenant_id = tenant.id ORDER BY role_name)
FROM ledger.tenant
ORDER BY tenant.name
