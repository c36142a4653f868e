-- Why: a null inside an array, or a time no clock shows, passes every rule of the first migration: a comparison with null
-- refuses nothing. NOT VALID: a row that someone changed before must not keep the node from starting, its audit names it.

ALTER TABLE ledger.entry
    ADD CONSTRAINT entry_postings_not_null CHECK (
        array_position(posting_account, NULL) IS NULL
        AND array_position(posting_asset, NULL) IS NULL
        AND array_position(posting_amount, NULL) IS NULL
        AND array_position(posting_balance, NULL) IS NULL
        AND array_position(posting_previous, NULL) IS NULL
    ) NOT VALID,
    ADD CONSTRAINT entry_times_finite CHECK (isfinite(posted_at) AND isfinite(effective_at)) NOT VALID;
