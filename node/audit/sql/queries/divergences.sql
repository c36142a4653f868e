-- For each member the first block of which it signed another receipt than the own one.
SELECT DISTINCT ON (other.organization) other.organization, other.block_number, own.receipt, other.receipt
FROM log.receipt AS own
JOIN log.receipt AS other
    ON other.block_number = own.block_number AND other.statement_hash <> own.statement_hash
    AND other.organization <> own.organization
WHERE own.organization = %s
ORDER BY other.organization, other.block_number
