-- Every block that committed a definition of a chaincode, and its collections then; and those of the channel's origin.
SELECT convert_from(substr(d.key, 19, octet_length(d.key) - 27), 'UTF8'), d.block_number, c.value, false
FROM (
    SELECT DISTINCT h.key, h.block_number
    FROM channel.history h
    LEFT JOIN channel.origin o USING (channel_no)
    WHERE h.channel_no = %(channel)b AND h.namespace = '_lifecycle'
        AND h.key >= 'namespaces/fields/'::bytea AND h.key < 'namespaces/fields0'::bytea
        AND convert_from(h.key, 'UTF8') ~ '^namespaces/fields/[^/]+/Sequence$'
        AND h.block_number > coalesce(o.last_block, -1)
) AS d
CROSS JOIN LATERAL (
    SELECT h.value FROM channel.history h
    WHERE h.channel_no = %(channel)b AND h.namespace = '_lifecycle'
        AND h.key = substr(d.key, 1, octet_length(d.key) - 8) || 'Collections'::bytea
        AND h.block_number <= d.block_number
    ORDER BY h.block_number DESC, h.tx_number DESC
    LIMIT 1
) AS c
UNION ALL
SELECT chaincode, block_number, content, true FROM channel.origin_collections WHERE channel_no = %(channel)b
