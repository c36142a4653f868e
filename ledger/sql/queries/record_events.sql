SELECT ledger.record_events(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
