-- First occurrence of each transaction id: a later one is a duplicate and never valid.
SELECT t.ordinal, s.block_number, s.tx_number, s.validation_code
FROM unnest(%(tx_ids)b::text[]) WITH ORDINALITY AS t (tx_id, ordinal)
CROSS JOIN LATERAL (
    SELECT block_number, tx_number, validation_code FROM channel.transaction
    WHERE channel_no = %(channel)b AND tx_id = t.tx_id
    ORDER BY block_number, tx_number
    LIMIT 1
) AS s
