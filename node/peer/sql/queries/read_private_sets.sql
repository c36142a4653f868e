SELECT tx_number, content FROM channel.private_write_set
WHERE channel_no = %s AND block_number = %s ORDER BY tx_number
