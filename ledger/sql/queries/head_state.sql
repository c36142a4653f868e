SELECT next_seq, nullif(closed_before, '-infinity') FROM ledger.head
