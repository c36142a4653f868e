-- Entries with their erasable texts, for readers outside the books. To a tenant those that touch nobody else's accounts:
-- each of its postings is on one of his or on a shared one, and one at least is on his.
CREATE OR REPLACE VIEW ledger.entry_view WITH (security_barrier = true) AS
SELECT entry.seq, entry.key, entry.posted_at,
    coalesce(entry.effective_at, entry.posted_at) AS effective_at, entry.settlement_id, description.description,
    entry.decision_id,
    CASE entry.decision_outcome WHEN 1 THEN 'automated_approval' ELSE 'requires_manual_review' END AS decision,
    entry.decision_leaf, ledger.salt_of(entry.salt, entry.seq, (
        SELECT batch.salt_secret FROM ledger.batch WHERE batch.first_seq <= entry.seq
        ORDER BY batch.first_seq DESC LIMIT 1
    )) AS salt, entry.leaf, entry.description_commitment, entry.form, actor.name AS actor,
    entry.chain_seq, entry.reverses, entry.hold_id, entry.metadata_commitment, metadata.pairs AS metadata
FROM ledger.entry
LEFT JOIN ledger.description ON description.seq = entry.seq
LEFT JOIN ledger.metadata ON metadata.seq = entry.seq
LEFT JOIN ledger.actor ON actor.id = entry.actor_id
WHERE (SELECT ledger.sees_all()) OR (
    SELECT bool_or(account.book_id = ANY ((SELECT ledger.tenant_books())::smallint[]))
        AND bool_and(account.shared OR account.book_id = ANY ((SELECT ledger.tenant_books())::smallint[]))
    FROM ledger.account
    WHERE account.id = ANY (
        CASE
            WHEN entry.posting_amount IS NULL THEN ARRAY[entry.debit_account, entry.credit_account]
            ELSE entry.posting_account
        END
    )
);
