-- Entries with their erasable texts, for readers outside the books.
CREATE OR REPLACE VIEW ledger.entry_view AS
SELECT entry.seq, entry.key, entry.posted_at, entry.effective_at, entry.settlement_id, description.description,
    entry.decision_id,
    CASE entry.decision_outcome WHEN 1 THEN 'automated_approval' ELSE 'requires_manual_review' END AS decision,
    entry.decision_leaf, entry.salt, entry.leaf, entry.description_commitment, entry.form, actor.name AS actor,
    entry.chain_seq, entry.reverses, entry.hold_id, entry.metadata_commitment, metadata.pairs AS metadata
FROM ledger.entry
LEFT JOIN ledger.description ON description.seq = entry.seq
LEFT JOIN ledger.metadata ON metadata.seq = entry.seq
LEFT JOIN ledger.actor ON actor.id = entry.actor_id;
