SELECT decision.exception_id, decision.decision, decision.actor, decision.decided_at, decision.reason,
    decision.entry_seq, decision.match_id
FROM ledger.reconciliation_decision AS decision
WHERE decision.exception_id = %s
ORDER BY decision.id
