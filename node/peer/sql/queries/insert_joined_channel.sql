INSERT INTO channel.joined_channel (channel_no, joined_at) VALUES (%s, %s) ON CONFLICT DO NOTHING
