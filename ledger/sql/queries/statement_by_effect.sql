SELECT seq, amount, balance_after, posted_at, effective_at, coalesce(settlement_id, ''), coalesce(description, ''),
    next_effective_at, next_seq
FROM ledger.statement_by_effect(%s, %s, %s, %s, %s, %s)
