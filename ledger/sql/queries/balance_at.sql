SELECT ledger.balance_at(%(account)s, %(known_seq)s, ledger.seq_at(%(effective_at)s), %(effective_at)s)
