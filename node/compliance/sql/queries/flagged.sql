SELECT decision.seq
FROM compliance.decision
WHERE decision.decision_id = %(decision_id)s AND decision.outcome = 2
