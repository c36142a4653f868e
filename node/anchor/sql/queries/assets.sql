SELECT id, code, scale FROM ledger.asset
