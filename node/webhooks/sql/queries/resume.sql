SELECT ledger.resume_webhook(%s, %s, %s)
