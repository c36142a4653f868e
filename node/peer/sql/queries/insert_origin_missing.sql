-- Private values that a snapshot does not hold, by the transactions that wrote them.
INSERT INTO channel.missing_private_set (channel_no, block_number, tx_number, namespace, collection, keys)
SELECT channel_no, block_number, tx_number, namespace, collection, array_agg(key) FROM channel.state
WHERE channel_no = %s AND namespace = %s AND collection = %s
GROUP BY channel_no, block_number, tx_number, namespace, collection
