SELECT r.block_number, r.organization, r.received_at,
    EXISTS (
        SELECT FROM log.receipt AS own
        WHERE own.organization = %(own)s AND own.block_number = r.block_number
            AND own.statement_hash = r.statement_hash
    ),
    r.receipt
FROM log.receipt AS r
ORDER BY r.block_number DESC, r.organization, r.received_at
LIMIT %(limit)s
