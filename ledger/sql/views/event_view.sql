-- Events that are rows, those of holds from the first releases included, which carried their three figures as text.
CREATE OR REPLACE VIEW ledger.event_view AS
SELECT after_seq, number, kind, account_id, at, payload,
    coalesce(hold_id, CASE
        WHEN payload ->> 'hold' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN (payload ->> 'hold')::uuid
    END) AS hold_id,
    coalesce(amount, CASE
        WHEN payload ->> 'amount_minor' ~ '^[0-9]{1,18}$' THEN (payload ->> 'amount_minor')::bigint
    END) AS amount,
    coalesce(remaining, CASE
        WHEN payload ->> 'remaining_minor' ~ '^[0-9]{1,18}$' THEN (payload ->> 'remaining_minor')::bigint
    END) AS remaining
FROM ledger.event;
