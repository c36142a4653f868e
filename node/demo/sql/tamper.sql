-- What an administrator with every right in the database can do to books: triggers and foreign keys are switched off.
SET session_replication_role = replica;
CREATE TEMPORARY TABLE untouched AS SELECT * FROM ledger.entry WHERE seq IN (%(changed)s, %(deleted)s);
UPDATE ledger.entry
SET amount = amount + 1,
    posting_amount = CASE WHEN posting_amount IS NOT NULL THEN ARRAY(
        SELECT leg + sign(leg)::bigint FROM unnest(posting_amount) WITH ORDINALITY AS posting (leg, place) ORDER BY place
    ) END
WHERE seq = %(changed)s;
DELETE FROM ledger.entry WHERE seq = %(deleted)s;
INSERT INTO ledger.entry
SELECT (forged).*
FROM (
    SELECT jsonb_populate_record(entry, jsonb_build_object('seq', %(inserted)s::bigint, 'key', gen_random_uuid())) AS forged
    FROM ledger.entry AS entry
    WHERE entry.seq = %(changed)s
) AS copied;
