UPDATE channel.missing_private_set AS m SET tries = m.tries + 1
FROM unnest(%(blocks)b::bigint[], %(txs)b::bigint[]) AS t (block_number, tx_number)
WHERE m.channel_no = %(channel)b AND m.block_number = t.block_number AND m.tx_number = t.tx_number
