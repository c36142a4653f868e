SELECT ledger.add_webhook(%s, %s, %s::text[], %s, %s, %s, %s, %s, %s)
