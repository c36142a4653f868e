SELECT head.next_seq, nullif(head.closed_before, '-infinity'), refusal.number, refusal.head, refusal.after_seq
FROM ledger.head
LEFT JOIN LATERAL (
    SELECT number, head, after_seq FROM ledger.refusal ORDER BY number DESC LIMIT 1
) AS refusal ON true
