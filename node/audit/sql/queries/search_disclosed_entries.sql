-- Disclosed entries in the order of one of their columns. What stands beside an entry is asked for those of the page,
-- and before only where a condition is about it.
WITH page AS MATERIALIZED (
    SELECT e.organization, e.seq, e.fields, e.demand_id, e.disclosed_at, e.decision, e.decision_id, e.rules_hash, e.worth,
        {key} AS key
    FROM log.disclosed_entry AS e
    {asked_beside}
    WHERE {conditions} AND {after}
    ORDER BY {key} {direction}, e.organization {direction}, e.seq {direction}
    LIMIT %(limit)s
)
SELECT e.organization, e.seq, c.block_number, c.tx_number, c.transaction_id, c.recorded_at, c.signer, attested.yes,
    e.fields, e.demand_id, e.disclosed_at, coalesce(review.decision, e.decision), review.signer, e.rules_hash, e.worth,
    e.key
FROM page AS e
{anchor}
{attested}
{review}
ORDER BY e.key {direction}, e.organization {direction}, e.seq {direction}
