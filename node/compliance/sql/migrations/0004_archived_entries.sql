-- Why: a decision whose entry is archived stays, and is no decision without an entry.

CREATE OR REPLACE VIEW compliance.violation AS
SELECT coalesce(entry.seq, decision.seq) AS seq,
    CASE
        WHEN decision.seq IS NULL THEN 'entry without a decision'
        WHEN entry.seq IS NULL THEN 'decision without an entry'
        WHEN entry.decision_id IS DISTINCT FROM decision.decision_id THEN 'another decision id'
        WHEN entry.decision_outcome IS DISTINCT FROM decision.outcome THEN 'another outcome'
        WHEN entry.decision_leaf IS DISTINCT FROM decision.leaf THEN 'another leaf'
        WHEN entry.posted_at IS DISTINCT FROM decision.decided_at THEN 'another time'
        ELSE 'unknown rules'
    END AS explanation
FROM ledger.entry
FULL JOIN compliance.decision ON decision.seq = entry.seq
LEFT JOIN compliance.rule_set ON rule_set.id = decision.rule_set_id
WHERE (entry.seq IS NOT NULL OR decision.seq > (SELECT ledger.archived_seq()))
    AND (
        entry.seq IS NULL
        OR decision.seq IS NULL
        OR entry.decision_id IS DISTINCT FROM decision.decision_id
        OR entry.decision_outcome IS DISTINCT FROM decision.outcome
        OR entry.decision_leaf IS DISTINCT FROM decision.leaf
        OR entry.posted_at IS DISTINCT FROM decision.decided_at
        OR rule_set.id IS NULL
    );
