SELECT monitor.id, account.reference, monitor.field, monitor.operator, monitor.value
FROM ledger.monitor
JOIN ledger.account ON account.id = monitor.account_id
WHERE monitor.id > %(after)s AND monitor.dropped_at IS NULL AND %(account)s IN ('', account.reference)
ORDER BY monitor.id
LIMIT %(count_max)s
