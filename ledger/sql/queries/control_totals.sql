-- Amounts inside an entry are signed by side: debit above zero, credit below.
SELECT asset.code,
    coalesce(sum(posting.amount) FILTER (WHERE posting.amount > 0), 0) AS debits,
    coalesce(-sum(posting.amount) FILTER (WHERE posting.amount < 0), 0) AS credits
FROM ledger.signed_posting AS posting
JOIN ledger.asset ON asset.id = posting.asset_id
WHERE posting.seq BETWEEN %s AND %s
GROUP BY asset.code
ORDER BY asset.code
