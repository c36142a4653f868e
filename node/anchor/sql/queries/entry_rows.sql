SELECT seq, key, posted_at, effective_at, settlement_id, posting_account, posting_asset, posting_amount,
    description_commitment, decision_id, decision_outcome, decision_leaf, salt, leaf
FROM ledger.entry WHERE seq BETWEEN %s AND %s ORDER BY seq
