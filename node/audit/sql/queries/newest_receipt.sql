SELECT r.block_number, r.organization, r.received_at,
    EXISTS (
        SELECT FROM log.receipt AS own
        WHERE own.organization = %(own)s AND own.block_number = r.block_number
            AND own.statement_hash = r.statement_hash
    ),
    r.receipt
FROM log.receipt AS r
WHERE r.organization = %(of)s
ORDER BY r.block_number DESC, r.received_at DESC
LIMIT 1
