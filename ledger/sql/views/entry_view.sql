-- Entries with their erasable text, for readers outside the books.
CREATE OR REPLACE VIEW ledger.entry_view AS
SELECT entry.seq, entry.key, entry.posted_at, entry.effective_at, entry.settlement_id, description.description,
    entry.decision_id,
    CASE entry.decision_outcome WHEN 1 THEN 'automated_approval' ELSE 'requires_manual_review' END AS decision,
    entry.decision_leaf, entry.salt, entry.leaf, entry.posting_account, entry.posting_asset, entry.posting_amount,
    entry.posting_balance, entry.description_commitment
FROM ledger.entry
LEFT JOIN ledger.description ON description.seq = entry.seq;
