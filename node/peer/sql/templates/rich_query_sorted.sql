-- One page of documents in the order of some of their fields, and the height it belongs to.
-- What stands in braces is filled with fragments of the peer's own; all that comes from a query is a parameter.
SELECT s.key, s.long_key, s.value, s.metadata, s.block_number, s.tx_number, s.sort
FROM (
    SELECT e.* FROM (
        SELECT d.*, ARRAY[{sort}] AS sort
        FROM (
            SELECT key, long_key, value, {metadata} AS metadata, block_number, tx_number, channel.document(value) AS document
            FROM channel.{table}
            WHERE channel_no = %(channel)s::smallint AND namespace = %(namespace)s AND collection = %(collection)s
                {index_conditions}
            OFFSET 0
        ) AS d
        WHERE document IS NOT NULL AND {condition}
    ) AS e
    WHERE array_position(sort, NULL) IS NULL
        AND (%(after_sort)s::bytea[] IS NULL OR (sort, key) {beyond} (%(after_sort)s::bytea[], %(after_key)s::bytea))
    ORDER BY sort {direction}, key {direction}
    LIMIT %(limit)s
) AS s
UNION ALL
SELECT NULL, NULL, NULL, NULL,
    (SELECT coalesce(max(block_number) + 1, 0) FROM channel.block WHERE channel_no = %(channel)s::smallint), 0, NULL
