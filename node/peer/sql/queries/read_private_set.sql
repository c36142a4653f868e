SELECT content FROM channel.private_write_set
WHERE channel_no = %s AND block_number = %s AND tx_number = %s
