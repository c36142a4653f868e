-- All keys of one namespace and collection in the order of the index.
SELECT key, long_key, value, metadata, block_number, tx_number FROM channel.state
WHERE channel_no = %s AND namespace = %s AND collection = %s
ORDER BY key
