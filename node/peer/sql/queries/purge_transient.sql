DELETE FROM channel.transient_write_set WHERE channel_no = %s AND (tx_id = ANY (%s) OR endorsed_at < %s)
