SELECT previous_hash FROM channel.block WHERE channel_no = %s AND block_number = %s
