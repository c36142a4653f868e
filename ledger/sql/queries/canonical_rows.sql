SELECT seq, key, posted_at, effective_at, coalesce(settlement_id, ''), posting_account, posting_asset, posting_amount,
    coalesce(description_commitment, ''::bytea), decision_id, decision_outcome, decision_leaf, salt, leaf
FROM ledger.entry
WHERE seq BETWEEN %s AND %s
ORDER BY seq
LIMIT %s
