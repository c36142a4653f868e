UPDATE channel.private_write_set SET content = %s WHERE channel_no = %s AND block_number = %s AND tx_number = %s
