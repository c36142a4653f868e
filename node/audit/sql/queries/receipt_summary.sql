-- Of each other member the newest receipt, and every one that differs from the own one of its block.
SELECT block_number, organization, received_at, agrees, receipt
FROM (
    SELECT r.block_number, r.organization, r.received_at, r.receipt,
        own.statement_hash IS NOT DISTINCT FROM r.statement_hash AS agrees,
        row_number() OVER (PARTITION BY r.organization ORDER BY r.block_number DESC) AS place
    FROM log.receipt AS r
    JOIN log.receipt AS own ON own.organization = %(own)s AND own.block_number = r.block_number
    WHERE r.organization <> %(own)s
) AS kept
WHERE place = 1 OR NOT agrees
ORDER BY organization, block_number
LIMIT %(limit)s
