-- Every namespace and collection with keys in the state, found by stepping from one to the next in the index.
WITH RECURSIVE pair AS (
    (
        SELECT namespace, collection FROM channel.state
        WHERE channel_no = %(channel)b ORDER BY namespace, collection LIMIT 1
    )
    UNION ALL
    SELECT following.namespace, following.collection
    FROM pair
    CROSS JOIN LATERAL (
        SELECT s.namespace, s.collection FROM channel.state s
        WHERE s.channel_no = %(channel)b AND (s.namespace, s.collection) > (pair.namespace, pair.collection)
        ORDER BY s.namespace, s.collection LIMIT 1
    ) AS following
)
SELECT namespace, collection FROM pair
