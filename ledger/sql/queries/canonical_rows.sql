-- Rows as an administrator may have left them: whatever no entry can have becomes NULL here, or keeps one unit more than
-- an entry may have, so that reading stays small, never fails, and the leaf differs.
SELECT entry.seq, entry.key,
    CASE WHEN entry.posted_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN (extract(epoch FROM entry.posted_at) * 1000000)::bigint END,
    CASE WHEN coalesce(entry.effective_at, entry.posted_at)
            BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN (extract(epoch FROM coalesce(entry.effective_at, entry.posted_at)) * 1000000)::bigint END,
    left(entry.settlement_id, 65),
    CASE
        WHEN entry.posting_amount IS NULL THEN ARRAY[entry.debit_account, entry.credit_account]
        WHEN array_ndims(entry.posting_account) = 1 AND array_lower(entry.posting_account, 1) = 1
            AND cardinality(entry.posting_account) <= 1000 THEN entry.posting_account
    END,
    CASE
        WHEN entry.posting_amount IS NULL THEN ARRAY[entry.asset_id, entry.asset_id]
        WHEN array_ndims(entry.posting_asset) = 1 AND array_lower(entry.posting_asset, 1) = 1
            AND cardinality(entry.posting_asset) <= 1000 THEN entry.posting_asset
    END,
    CASE
        WHEN entry.posting_amount IS NULL THEN ARRAY[entry.amount, -entry.amount]
        WHEN array_ndims(entry.posting_amount) = 1 AND array_lower(entry.posting_amount, 1) = 1
            AND cardinality(entry.posting_amount) <= 1000 THEN entry.posting_amount
    END,
    substring(entry.description_commitment FOR 33), entry.decision_id, entry.decision_outcome,
    substring(entry.decision_leaf FOR 33), ledger.salt_of(substring(entry.salt FOR 33), entry.seq, (
        SELECT substring(batch.salt_secret FOR 33) FROM ledger.batch WHERE batch.first_seq <= entry.seq
        ORDER BY batch.first_seq DESC LIMIT 1
    )),
    substring(entry.leaf FOR 33), entry.form,
    CASE WHEN entry.actor_id IS NULL THEN '' ELSE left(actor.name, 65) END,
    substring(entry.metadata_commitment FOR 33), entry.reverses, entry.hold_id, entry.chain_seq,
    substring(entry.refusals FOR 33)
FROM ledger.entry
LEFT JOIN ledger.actor ON actor.id = entry.actor_id
WHERE entry.seq BETWEEN %s AND %s
ORDER BY entry.seq
LIMIT %s
