-- The channels an administrator joined, and their genesis blocks, empty for those that began from a snapshot.
SELECT channel_id, coalesce(content, '')
FROM channel.joined_channel
JOIN channel.channel USING (channel_no)
LEFT JOIN channel.block ON block.channel_no = channel.channel_no AND block_number = 0
ORDER BY channel_id
