SELECT r.block_number, r.organization, r.received_at,
    EXISTS (
        SELECT FROM log.receipt AS own
        WHERE own.organization = %(own)s AND own.block_number = r.block_number
            AND own.statement_hash = r.statement_hash
    ),
    r.receipt, r.statement_hash
FROM log.receipt AS r
WHERE r.block_number < %(block)s
    OR r.block_number = %(block)s
        AND (r.organization, r.statement_hash) > (%(organization)s::text COLLATE "C", %(hash)s::bytea)
ORDER BY r.block_number DESC, r.organization, r.statement_hash
LIMIT %(limit)s
