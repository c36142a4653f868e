SELECT decision_id, seq FROM ledger.entry WHERE decision_id = ANY (%s)
