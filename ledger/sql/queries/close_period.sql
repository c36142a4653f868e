SELECT code, number FROM ledger.close_period(%s, %s, %s, %s)
