SELECT channel_id, content
FROM channel.joined_channel
JOIN channel.channel USING (channel_no)
JOIN channel.block USING (channel_no)
WHERE block_number = 0
ORDER BY channel_id
