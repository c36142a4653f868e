SELECT block_number FROM channel.snapshot_request WHERE channel_no = %s ORDER BY block_number
