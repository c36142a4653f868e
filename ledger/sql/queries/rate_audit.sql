SELECT seq, problem FROM ledger.rate_audit WHERE problem IS NOT NULL ORDER BY seq LIMIT %s
