SELECT EXISTS (SELECT FROM channel.state WHERE channel_no = %s AND metadata <> ''::bytea)
