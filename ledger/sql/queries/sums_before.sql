-- Amounts inside an entry are signed by side: debit above zero, credit below. Stripes bear their account's reference.
SELECT account.reference, asset.code,
    coalesce(sum(posting.amount) FILTER (WHERE posting.amount > 0), 0) AS debits,
    coalesce(-sum(posting.amount) FILTER (WHERE posting.amount < 0), 0) AS credits
FROM ledger.signed_posting AS posting
JOIN ledger.account ON account.id = posting.account_id
JOIN ledger.asset ON asset.id = posting.asset_id
WHERE posting.seq < %(seq)s
    AND (%(account)s = '' OR account.reference = %(account)s OR starts_with(account.reference, %(account)s || '#'))
GROUP BY account.reference, asset.code
ORDER BY account.reference, asset.code
