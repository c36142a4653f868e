-- One page of documents in the order of their keys, and the height it belongs to.
-- What stands in braces is filled with fragments of the peer's own; all that comes from a query is a parameter.
SELECT s.key, s.long_key, s.value, s.metadata, s.block_number, s.tx_number, NULL::bytea[]
FROM (
    SELECT d.* FROM (
        SELECT key, long_key, value, {metadata} AS metadata, block_number, tx_number, channel.document(value) AS document
        FROM channel.{table}
        WHERE channel_no = %(channel)s::smallint AND namespace = %(namespace)s AND collection = %(collection)s
            AND key > %(after_key)s::bytea {index_conditions}
        ORDER BY key
    ) AS d
    WHERE document IS NOT NULL AND {condition}
    LIMIT %(limit)s
) AS s
UNION ALL
SELECT NULL, NULL, NULL, NULL,
    (SELECT coalesce(max(block_number) + 1, 0) FROM channel.block WHERE channel_no = %(channel)s::smallint), 0, NULL
