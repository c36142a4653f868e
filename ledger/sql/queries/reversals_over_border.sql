-- What entries after the border take back of archived ones, by account, debit above zero.
SELECT posting.seq, posting.reverses, posting.account_id, sum(posting.amount)::bigint
FROM ledger.signed_posting AS posting
WHERE posting.seq IN (SELECT seq FROM ledger.entry WHERE reverses BETWEEN 1 AND %s)
GROUP BY posting.seq, posting.reverses, posting.account_id
ORDER BY posting.seq, posting.account_id
