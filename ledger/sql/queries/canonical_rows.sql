-- Rows as an administrator may have left them: whatever no entry can have becomes NULL here, or keeps one unit more than
-- an entry may have, so that reading stays small, never fails, and the leaf differs.
SELECT seq, key,
    CASE WHEN posted_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN (extract(epoch FROM posted_at) * 1000000)::bigint END,
    CASE WHEN effective_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN (extract(epoch FROM effective_at) * 1000000)::bigint END,
    left(settlement_id, 65),
    CASE WHEN array_ndims(posting_account) = 1 AND array_lower(posting_account, 1) = 1
        AND cardinality(posting_account) <= 1000 THEN posting_account END,
    CASE WHEN array_ndims(posting_asset) = 1 AND array_lower(posting_asset, 1) = 1
        AND cardinality(posting_asset) <= 1000 THEN posting_asset END,
    CASE WHEN array_ndims(posting_amount) = 1 AND array_lower(posting_amount, 1) = 1
        AND cardinality(posting_amount) <= 1000 THEN posting_amount END,
    substring(description_commitment FOR 33), decision_id, decision_outcome, substring(decision_leaf FOR 33),
    substring(salt FOR 33), substring(leaf FOR 33)
FROM ledger.entry
WHERE seq BETWEEN %s AND %s
ORDER BY seq
LIMIT %s
