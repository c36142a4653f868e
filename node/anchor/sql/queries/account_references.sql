SELECT id, reference FROM ledger.account WHERE id = ANY (%s)
