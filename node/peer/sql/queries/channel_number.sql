SELECT channel_no FROM channel.channel WHERE channel_id = %s
