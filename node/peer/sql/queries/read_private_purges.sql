SELECT key_hash, block_number, tx_number FROM channel.private_purge
WHERE channel_no = %s AND namespace = %s AND collection = %s
