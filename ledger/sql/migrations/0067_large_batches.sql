-- Why: a batch on a statement is one record with the references of all its transactions, three or more of each: a run of
-- direct debits has thousands, and 1,000 refused the statement as a whole.
ALTER TABLE ledger.external_record
    DROP CONSTRAINT external_record_reference_check,
    ADD CONSTRAINT external_record_reference_check CHECK (
        array_position(reference, NULL) IS NULL AND cardinality(reference) <= 100000
    ) NOT VALID;
