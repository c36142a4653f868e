SELECT ledger.balance_seen(%(account)s, %(known_seq)s, %(effective_at)s)
