SELECT id, captured, coalesce(entry_seq, 0), state FROM ledger.hold WHERE id = ANY (%s::uuid[])
