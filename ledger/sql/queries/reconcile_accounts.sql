SELECT account.id, account.reference, asset.code
FROM ledger.account
JOIN ledger.asset ON asset.id = account.asset_id
WHERE (%(accounts)s::text[] IS NULL OR account.reference = ANY (%(accounts)s::text[]))
    AND EXISTS (SELECT FROM ledger.external_statement WHERE external_statement.account_id = account.id)
ORDER BY account.id
