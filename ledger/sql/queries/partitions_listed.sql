-- Every part of the journal, archived or not, oldest first.
SELECT first_seq, last_seq, 'archived', file_bytes, file_name, file_sha256, latest_at
FROM ledger.archive
WHERE restored_at IS NULL
UNION ALL
SELECT part.first_seq, part.last_seq,
    CASE
        WHEN part.last_seq < head.next_seq THEN 'full'
        WHEN part.first_seq < head.next_seq THEN 'open'
        ELSE 'ahead'
    END,
    pg_total_relation_size(format('ledger.%I', part.table_name)::regclass), part.table_name, NULL, newest.posted_at
FROM ledger.partition AS part
CROSS JOIN ledger.head
LEFT JOIN LATERAL (
    SELECT posted_at FROM ledger.entry
    WHERE seq BETWEEN part.first_seq AND least(part.last_seq, head.next_seq - 1) ORDER BY seq DESC LIMIT 1
) AS newest ON true
ORDER BY 1
