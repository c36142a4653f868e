SELECT salt, description FROM ledger.description WHERE seq = %s
