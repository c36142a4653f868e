-- What entries after the border take back of archived ones, by account, of striped ones by the whole; debit above zero.
SELECT posting.seq, posting.reverses, coalesce(account.stripe_of, account.id) AS account_id, sum(posting.amount)::bigint
FROM ledger.signed_posting AS posting
JOIN ledger.account ON account.id = posting.account_id
WHERE posting.seq IN (SELECT seq FROM ledger.entry WHERE reverses BETWEEN 1 AND %s)
GROUP BY 1, 2, 3
ORDER BY 1, 3
