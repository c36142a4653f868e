SELECT hold.id, account.reference, hold.amount, hold.captured, hold.state, hold.placed_at, hold.expires_at,
    hold.ended_at, hold.entry_seq, tenant_hold.tenant_id
FROM ledger.hold
JOIN ledger.account ON account.id = hold.account_id
LEFT JOIN ledger.tenant_hold ON tenant_hold.hold_id = hold.id
WHERE hold.id = ANY (%s)
