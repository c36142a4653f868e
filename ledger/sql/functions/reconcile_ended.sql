-- Exceptions that end with a run: open ones that it does not find any more, explained ones of which it matched a part.
-- What a person took apart (6) no run looks at, and none ends.
CREATE OR REPLACE FUNCTION ledger.reconcile_ended(
    p_accounts bigint[], p_match ledger.reconciliation_group[], p_exception ledger.reconciliation_group[]
) RETURNS bigint[]
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    WITH matched_record AS (
        SELECT unnest(record_id) AS id FROM unnest(p_match)
    ), matched_posting AS (
        SELECT member.seq, member.number
        FROM unnest(p_match) AS found
        CROSS JOIN LATERAL unnest(found.posting_seq, found.posting_number) AS member (seq, number)
    ), known AS (
        SELECT * FROM ledger.reconciliation_exception WHERE account_id = ANY (p_accounts) AND state IN (1, 2)
    )
    SELECT coalesce(array_agg(ended.id), '{}')
    FROM (
        SELECT known.id
        FROM known
        WHERE known.state = 1 AND known.kind <> 6 AND NOT EXISTS (
            SELECT FROM unnest(p_exception) AS found
            WHERE found.account_id = known.account_id AND found.fingerprint = known.fingerprint
        )
        UNION
        SELECT known.id
        FROM known
        CROSS JOIN LATERAL unnest(known.record_id) AS member (id)
        JOIN matched_record ON matched_record.id = member.id
        UNION
        SELECT known.id
        FROM known
        CROSS JOIN LATERAL unnest(known.posting_seq, known.posting_number) AS member (seq, number)
        JOIN matched_posting ON matched_posting.seq = member.seq AND matched_posting.number = member.number
    ) AS ended
$$;
