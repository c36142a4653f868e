SELECT ledger.reopen_period(%s, %s, %s, %s, %s)
