-- What remains of entries after earlier reversals of them: both have the opposite sign. The planner knows nothing of the
-- array, so each number enters by index.
SELECT asked.seq, original.reverses IS NOT NULL, whole.id, sum(posting.amount), whole.book_id, whole.shared
FROM unnest(%s::bigint[]) AS asked (seq)
JOIN ledger.entry AS original ON original.seq = asked.seq
CROSS JOIN LATERAL (
    SELECT signed.account_id, signed.amount
    FROM ledger.signed_posting AS signed
    WHERE signed.seq = asked.seq
    UNION ALL
    SELECT signed.account_id, signed.amount
    FROM ledger.entry AS reversal
    JOIN ledger.signed_posting AS signed ON signed.seq = reversal.seq
    WHERE reversal.reverses = asked.seq
) AS posting
JOIN ledger.account ON account.id = posting.account_id
-- Of a striped account each reversal may touch other stripes than the original did.
JOIN ledger.account AS whole ON whole.id = coalesce(account.stripe_of, account.id)
GROUP BY asked.seq, original.reverses, whole.id
