SELECT hold.id, account.reference, hold.amount,
    CASE hold.state WHEN 1 THEN 'placed' WHEN 2 THEN 'captured' WHEN 3 THEN 'released' ELSE 'expired' END,
    hold.expires_at, hold.entry_seq, hold.captured
FROM ledger.hold
JOIN ledger.account ON account.id = hold.account_id
WHERE hold.id = %s
