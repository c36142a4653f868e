-- Batches of refusals that end with none, and rows that no chain has a place for.
SELECT 'refusals ' || first_number || ' to ' || last_number, 'are signed for, but the last of them does not stand'
FROM ledger.refusal_batch AS batch
WHERE NOT EXISTS (SELECT FROM ledger.refusal WHERE number = batch.last_number)
UNION ALL
SELECT 'refusal of key ' || coalesce(key::text, 'null'), 'has no number'
FROM ledger.refusal
WHERE number IS NULL
LIMIT %s
