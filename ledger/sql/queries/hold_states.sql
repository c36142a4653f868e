SELECT hold.id, account.reference, hold.amount, hold.captured, hold.state, hold.placed_at, hold.expires_at,
    hold.ended_at, hold.entry_seq
FROM ledger.hold
JOIN ledger.account ON account.id = hold.account_id
WHERE hold.id = ANY (%s)
