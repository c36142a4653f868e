-- Id of the transaction at a position in the chain.
SELECT tx_id FROM channel.transaction WHERE channel_no = %s AND block_number = %s AND tx_number = %s
