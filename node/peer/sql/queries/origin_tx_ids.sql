SELECT claimed FROM channel.origin_tx_id WHERE channel_no = %s
