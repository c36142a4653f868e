SELECT ledger.record_hold_events(%s, %s, %s, %s, %s, %s, %s, %s, %s)
