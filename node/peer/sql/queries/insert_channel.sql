INSERT INTO channel.channel (channel_id) VALUES (%s) ON CONFLICT DO NOTHING
