DELETE FROM channel.missing_private_set
WHERE channel_no = %s AND block_number = %s AND tx_number = %s AND namespace = %s AND collection = %s
RETURNING tx_number
