-- Each finding as it stands now, the one that moved last first, after a place (block, tx, key).
SELECT body, block_number, tx_number, record_key
FROM (
    SELECT DISTINCT ON (record_key) body, block_number, tx_number, record_key
    FROM log.audit_record
    WHERE kind = 'finding' AND (%(organization)s::text = '' OR organization = %(organization)s)
    ORDER BY record_key, block_number DESC, tx_number DESC
) AS standing
WHERE (%(status)s::text = '' OR body::jsonb ->> 'status' = %(status)s)
    AND (block_number, tx_number, record_key) < (%(block)s, %(tx)s, %(key)s::text COLLATE "C")
ORDER BY block_number DESC, tx_number DESC, record_key DESC
LIMIT %(limit)s
