DELETE FROM channel.snapshot_request WHERE channel_no = %s AND block_number = %s
