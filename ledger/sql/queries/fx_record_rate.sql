SELECT ledger.fx_record_rate(%s, %s, %s, %s, %s, %s, %s)
