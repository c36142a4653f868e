-- Matches and exceptions as a run hands them over, each with the difference that the rows themselves give (records less
-- postings; null when a member does not exist or is of another account) and with its fingerprint.
CREATE OR REPLACE FUNCTION ledger.reconcile_groups(p_groups jsonb) RETURNS SETOF ledger.reconciliation_group
LANGUAGE plpgsql STABLE SET search_path = ledger, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH given AS (
        SELECT * FROM jsonb_populate_recordset(NULL::ledger.reconciliation_group, p_groups)
    ), member AS (
        SELECT given.number, record.change
        FROM given
        CROSS JOIN LATERAL unnest(given.record_id) AS wanted (id)
        JOIN ledger.external_record AS record ON record.id = wanted.id AND record.account_id = given.account_id
        UNION ALL
        SELECT given.number, posting.amount * CASE account.normal_side WHEN 1 THEN -1 ELSE 1 END
        FROM given
        CROSS JOIN LATERAL unnest(given.posting_seq, given.posting_number) AS wanted (seq, number)
        JOIN ledger.signed_posting AS posting
            ON posting.seq = wanted.seq AND posting.number = wanted.number AND posting.account_id = given.account_id
        JOIN ledger.account ON account.id = given.account_id
    ), total AS (
        SELECT number, count(*) AS member_count, sum(change) AS difference FROM member GROUP BY number
    )
    SELECT given.number, given.account_id, given.kind, given.rule, given.tolerance, given.record_id, given.posting_seq,
        given.posting_number,
        CASE
            WHEN total.member_count = cardinality(given.record_id) + cardinality(given.posting_seq)
                THEN total.difference::bigint
        END,
        sha256(convert_to(concat_ws(
            '|', given.kind, array_to_string(given.record_id, ','), array_to_string(given.posting_seq, ','),
            array_to_string(given.posting_number, ',')
        ), 'UTF8'))
    FROM given
    LEFT JOIN total ON total.number = given.number;
END
$$;
