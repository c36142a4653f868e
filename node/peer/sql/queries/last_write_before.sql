-- The last write of a valid transaction to a public key before a position in the chain, with the transaction's id.
SELECT h.block_number, h.tx_number, h.is_delete, t.tx_id
FROM channel.history h
JOIN channel.transaction t USING (channel_no, block_number, tx_number)
WHERE h.channel_no = %s AND h.namespace = %s AND h.key = %s AND (h.block_number, h.tx_number) < (%s, %s)
ORDER BY h.block_number DESC, h.tx_number DESC
LIMIT 1
