SELECT ledger.give_webhook_up(%s, %s, %s, %s, %s)
