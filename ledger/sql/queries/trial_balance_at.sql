SELECT asset, debit, credit, account_count FROM ledger.trial_balance_at(ledger.seq_at(%s), %s)
