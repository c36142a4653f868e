-- One page of the outbox: what stands after a position, in order, entries (seq, 0) and events (after_seq, number).
--
-- At most p_count positions are looked at, whatever the filters leave of them: each page is bounded work, by primary key
-- only. The last position looked at is always in the answer, with a null kind where it did not pass the filters, so that
-- a reader goes on behind it. No kinds, or an empty prefix, let everything pass. With a prefix, an entry shows only its
-- postings on accounts of that prefix: the other side is none of the reader's business. A tenant is told of his accounts
-- only, and of an entry that touches others' only that it touched his.
-- In PL/pgSQL because it reads a view, and functions are made before views.
CREATE OR REPLACE FUNCTION ledger.outbox_page(
    p_seq bigint, p_number integer, p_count integer, p_kinds text[], p_prefix text
) RETURNS TABLE (seq bigint, number integer, kind text, account text, at timestamptz, payload jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v_all boolean := ledger.sees_all();
    v_books smallint[] := CASE WHEN NOT v_all THEN ledger.tenant_books() END;
BEGIN
    PERFORM ledger.refuse_archived_position(p_seq);
    RETURN QUERY
    WITH looked_at AS MATERIALIZED (
        (
            SELECT entry.seq, 0 AS number, 'entry.posted' AS kind, entry.posted_at AS at, NULL::bigint AS account_id,
                NULL::uuid AS hold_id, NULL::bigint AS amount, NULL::bigint AS remaining, NULL::jsonb AS payload
            FROM ledger.entry
            WHERE entry.seq > p_seq AND (cardinality(p_kinds) = 0 OR 'entry.posted' = ANY (p_kinds))
            ORDER BY entry.seq
            LIMIT p_count
        )
        UNION ALL
        (
            SELECT event.after_seq, event.number, event.kind, event.at, event.account_id, event.hold_id,
                event.amount, event.remaining, event.payload
            FROM ledger.event
            WHERE (event.after_seq, event.number) > (p_seq, p_number)
            ORDER BY event.after_seq, event.number
            LIMIT p_count
        )
        UNION ALL
        SELECT after_seq, number, kind, at, account_id, hold_id, amount, remaining, NULL
        FROM ledger.run_events_behind(p_seq, p_number, p_count)
        ORDER BY 1, 2
        LIMIT p_count
    ), told AS (
        SELECT looked_at.seq, looked_at.number, looked_at.at, account.reference,
            CASE
                WHEN looked_at.number = 0 THEN body.payload
                WHEN looked_at.hold_id IS NULL THEN looked_at.payload
                ELSE jsonb_build_object(
                    'hold', looked_at.hold_id,
                    'amount_minor', looked_at.amount::text,
                    'remaining_minor', looked_at.remaining::text
                )
            END AS payload,
            CASE
                WHEN cardinality(p_kinds) > 0 AND looked_at.kind <> ALL (p_kinds) THEN NULL
                WHEN NOT v_all AND looked_at.number > 0 AND NOT coalesce(account.book_id = ANY (v_books), false) THEN NULL
                WHEN p_prefix <> '' AND looked_at.number > 0
                    AND NOT coalesce(starts_with(account.reference, p_prefix), false) THEN NULL
                WHEN looked_at.number = 0 AND body.payload IS NULL THEN NULL
                ELSE looked_at.kind
            END AS kind
        FROM looked_at
        LEFT JOIN ledger.account ON account.id = looked_at.account_id
        LEFT JOIN LATERAL (
            SELECT jsonb_strip_nulls(jsonb_build_object(
                'entry_seq', entry.seq::text,
                'key', CASE WHEN whole.shown THEN entry.key END,
                'effective_at', to_char(
                    coalesce(entry.effective_at, entry.posted_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
                ),
                'settlement_id', entry.settlement_id,
                'leaf', CASE WHEN whole.shown THEN encode(entry.leaf, 'hex') END,
                'postings', posted.postings
            )) AS payload
            FROM ledger.entry
            CROSS JOIN LATERAL (
                SELECT jsonb_agg(jsonb_build_object(
                    'account', posting.account,
                    'asset', posting.asset,
                    'side', CASE posting.side WHEN 1 THEN 'debit' ELSE 'credit' END,
                    'amount_minor', posting.amount::text,
                    'balance_minor', posting.balance_after::text
                ) ORDER BY posting.number) AS postings
                FROM ledger.posting_view AS posting
                WHERE posting.seq = entry.seq AND starts_with(posting.account, p_prefix)
            ) AS posted
            CROSS JOIN LATERAL (
                SELECT v_all OR ledger.sees_entry(entry.seq) AS shown
            ) AS whole
            WHERE entry.seq = looked_at.seq AND looked_at.number = 0 AND posted.postings IS NOT NULL
        ) AS body ON true
    )
    SELECT told.seq, told.number, told.kind, told.reference, told.at,
        CASE WHEN told.kind IS NOT NULL THEN told.payload END
    FROM told
    WHERE told.kind IS NOT NULL OR (told.seq, told.number) = (
        SELECT last.seq, last.number FROM looked_at AS last ORDER BY last.seq DESC, last.number DESC LIMIT 1
    )
    ORDER BY told.seq, told.number;
END
$$;
