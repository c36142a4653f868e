SELECT ledger.advance_webhook(%s, %s, %s, %s, %s)
