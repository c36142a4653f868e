SELECT decision.seq, decision.decision_id, entry.key::text, decision.outcome, rule_set.text,
    decision.reporting_amount, decision.decided_at, decision.salt, decision.leaf
FROM compliance.decision
JOIN compliance.rule_set ON rule_set.id = decision.rule_set_id
JOIN ledger.entry ON entry.seq = decision.seq
WHERE decision.seq = %(seq)s
