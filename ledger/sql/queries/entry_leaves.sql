SELECT seq, leaf FROM ledger.entry WHERE seq = ANY (%s)
