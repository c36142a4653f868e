SELECT ledger.fail_webhook(%s, %s, %s, %s, %s, %s)
