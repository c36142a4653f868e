-- The key is that of the entry, archived or not.
SELECT decision.seq, decision.decision_id, entry.key::text, decision.outcome, rule_set.text,
    decision.reporting_amount, decision.decided_at, decision.salt, decision.leaf
FROM compliance.decision
JOIN compliance.rule_set ON rule_set.id = decision.rule_set_id
CROSS JOIN LATERAL (
    SELECT key FROM ledger.entry WHERE seq = decision.seq
    UNION ALL
    SELECT key FROM ledger.past_key WHERE seq = decision.seq
) AS entry
WHERE decision.seq = %(seq)s
