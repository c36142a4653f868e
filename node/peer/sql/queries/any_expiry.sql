SELECT EXISTS (SELECT FROM channel.expiry WHERE channel_no = %s)
