-- A key's writes, newest first as Fabric gives them, with the id and claimed time of each transaction.
SELECT t.tx_id, h.value, h.is_delete, t.claimed_seconds, t.claimed_nanos
FROM channel.history h
JOIN channel.transaction t USING (channel_no, block_number, tx_number)
WHERE h.channel_no = %s AND h.namespace = %s AND h.key = %s
ORDER BY h.block_number DESC, h.tx_number DESC
