SELECT ledger.remove_webhook(%s)
