-- Holds that say they were captured by an entry that does not name them, or that say nothing; that ended otherwise than a
-- hold can; and those of which events do not tell once that they were placed, once how they ended, and what was captured.
-- Entries of form 1 do not name the hold they capture: it names them, and was captured whole.
WITH told AS (
    SELECT hold_id, count(*) FILTER (WHERE kind = 'hold.placed') AS placed,
        count(*) FILTER (WHERE kind IN ('hold.released', 'hold.expired')) AS ended,
        coalesce(sum(amount) FILTER (WHERE kind = 'hold.captured'), 0) AS captured
    FROM (
        SELECT hold_id, kind, amount
        FROM ledger.event_view
        WHERE kind IN ('hold.placed', 'hold.captured', 'hold.released', 'hold.expired')
        UNION ALL
        SELECT unnest(hold_ids), ledger.event_kind(unnest(kinds)), unnest(amounts)
        FROM ledger.event_run
    ) AS event
    GROUP BY hold_id
), judged AS (
    SELECT hold.id, hold.entry_seq, CASE
        WHEN (hold.captured <> 0 OR hold.entry_seq IS NOT NULL) AND hold.entry_seq > border.seq IS NOT FALSE AND CASE entry.form
            WHEN 1 THEN hold.captured = (
                SELECT sum(-posting.amount::numeric * CASE account.normal_side WHEN 1 THEN 1 ELSE -1 END)
                FROM ledger.signed_posting AS posting
                WHERE posting.seq = entry.seq AND posting.account_id = hold.account_id
            )
            ELSE entry.hold_id = hold.id
        END IS NOT TRUE THEN
            'says ' || hold.captured || ' was captured, the newest time by entry ' || coalesce(hold.entry_seq::text, 'null')
                || ', which did not'
        WHEN (hold.placed_at < hold.expires_at AND hold.captured BETWEEN 0 AND hold.amount AND CASE hold.state
            WHEN 1 THEN hold.ended_at IS NULL AND hold.captured < hold.amount
            WHEN 2 THEN hold.ended_at BETWEEN hold.placed_at AND hold.expires_at AND hold.captured > 0
                AND (entry.form = 1 OR coalesce(entry.posted_at, hold.ended_at) = hold.ended_at)
            WHEN 3 THEN hold.ended_at BETWEEN hold.placed_at AND hold.expires_at AND hold.captured < hold.amount
            WHEN 4 THEN hold.ended_at >= hold.expires_at AND hold.captured < hold.amount
        END) IS NOT TRUE THEN 'its state, its times and what was captured of it do not fit together'
        WHEN hold.placed_at > head.events_since AND (told.placed = 1) IS NOT TRUE THEN
            'its placing is told by ' || coalesce(told.placed, 0) || ' events'
        WHEN coalesce(hold.ended_at > head.events_since, true)
            AND coalesce(told.ended, 0) <> CASE WHEN hold.state IN (3, 4) THEN 1 ELSE 0 END THEN
            'its release or expiry is told by ' || coalesce(told.ended, 0) || ' events'
        WHEN hold.placed_at > head.events_since AND told.captured <> hold.captured THEN
            'says ' || hold.captured || ' was captured, its events tell of ' || told.captured
    END AS problem
    FROM ledger.hold
    LEFT JOIN ledger.entry ON entry.seq = hold.entry_seq
    LEFT JOIN ledger.account ON account.id = hold.account_id
    LEFT JOIN told ON told.hold_id = hold.id
    LEFT JOIN ledger.head ON head.id = 1
    CROSS JOIN (SELECT ledger.archived_seq() AS seq) AS border
)
SELECT coalesce(entry_seq, 0), 'hold ' || id, problem FROM judged WHERE problem IS NOT NULL
LIMIT %s
