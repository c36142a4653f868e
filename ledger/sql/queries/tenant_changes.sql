SELECT number, at, actor, what FROM ledger.tenant_change WHERE number > %s ORDER BY number LIMIT %s
