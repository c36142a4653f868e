-- What was asked for least often comes first, then what is newest.
SELECT block_number, tx_number, namespace, collection, rwset_hash
FROM channel.missing_private_set
WHERE channel_no = %s
ORDER BY tries, block_number DESC, tx_number
LIMIT %s
