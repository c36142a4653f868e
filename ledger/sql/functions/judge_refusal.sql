-- Finds the code of an entry that cannot be posted: the first in precedence over all its postings.
-- An account stands on one side of an entry only, so the sum of its postings is its most distant point.
CREATE OR REPLACE FUNCTION ledger.judge_refusal(
    p_slot integer[], p_amount bigint[], p_sign bigint[], p_balance bigint[], p_status smallint[]
) RETURNS smallint
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT CASE
        WHEN bool_or(p_status[total.slot] = 3) THEN 9
        WHEN bool_or(p_status[total.slot] = 2) THEN 10
        WHEN bool_or(abs(p_balance[total.slot] + total.change) > 4611686018427387903) THEN 11
        ELSE 12
    END
    FROM (
        SELECT posting.slot, sum(posting.amount::numeric * p_sign[posting.slot]) AS change
        FROM unnest(p_slot, p_amount) AS posting (slot, amount)
        GROUP BY posting.slot
    ) AS total
$$;
