SELECT asset, debit, credit, account_count FROM ledger.trial_balance_seen(%s, %s)
