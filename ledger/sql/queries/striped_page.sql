SELECT seq, amount, balance_after, posted_at, effective_at, coalesce(settlement_id, ''), coalesce(description, ''),
    next_seq
FROM ledger.striped_page(%s, %s, %s, %s, %s)
