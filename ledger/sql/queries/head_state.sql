-- Where the books stand; the greatest key is that of all entries, archived ones too, the greatest hold of all that were ever placed.
SELECT head.next_seq, nullif(head.closed_before, '-infinity'),
    greatest(
        (SELECT key FROM ledger.entry ORDER BY key DESC LIMIT 1),
        (SELECT greatest_key FROM ledger.archive WHERE restored_at IS NULL ORDER BY greatest_key DESC LIMIT 1)
    ),
    (SELECT id FROM ledger.hold ORDER BY id DESC LIMIT 1),
    refusal.number, refusal.head, refusal.after_seq
FROM ledger.head
LEFT JOIN LATERAL (
    SELECT number, head, after_seq FROM ledger.refusal ORDER BY number DESC LIMIT 1
) AS refusal ON true
