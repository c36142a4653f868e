-- Every transaction id that stands here as claimed, once, shorter ones first.
SELECT DISTINCT octet_length(tx_id), tx_id FROM channel.transaction
WHERE channel_no = %s AND tx_id NOT LIKE 'sha256:%%'
ORDER BY 1, 2
