SELECT hold_id, captured, entry_seq FROM ledger.hold_opening ORDER BY hold_id
