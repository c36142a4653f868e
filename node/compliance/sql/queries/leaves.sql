SELECT decision.seq, decision.outcome, decision.rule_set_id, decision.decision_id, decision.leaf
FROM compliance.decision
WHERE decision.seq BETWEEN %(from_seq)s AND %(to_seq)s
ORDER BY decision.seq
