SELECT monitor.account_id, monitor.id, account.reference, monitor.field, monitor.operator, monitor.value
FROM ledger.monitor
JOIN ledger.account ON account.id = monitor.account_id
WHERE monitor.account_id = ANY (%s) AND monitor.dropped_at IS NULL
ORDER BY monitor.account_id, monitor.set_at, monitor.id
