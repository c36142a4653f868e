-- Why: every posting on an account changes its one row, so whoever posts on a busy one waits for the others. A striped
-- account has none of its own: its postings stand on stripes, accounts underneath with a row and a chain each, and it is
-- their sum (docs/adr/0024-stripes.md). A stripe is called by the account's reference, "#" and its number: a character
-- that no reference may have, so nobody can ask for a stripe or take one for an account.

ALTER TABLE ledger.account
    ADD COLUMN stripes smallint NOT NULL DEFAULT 0,
    ADD COLUMN stripe_of bigint,
    ADD CONSTRAINT account_stripe_of_fkey FOREIGN KEY (stripe_of) REFERENCES ledger.account NOT VALID,
    -- A striped account's own row never moves.
    ADD CONSTRAINT account_stripes_check CHECK (
        stripes = 0 OR stripes BETWEEN 2 AND 64 AND stripe_of IS NULL AND balance = 0 AND held = 0 AND last_seq = 0
    ) NOT VALID,
    -- What all stripes keep, their sum keeps: other terms need the sum.
    ADD CONSTRAINT account_striped_terms CHECK (
        (stripes = 0 AND stripe_of IS NULL) OR coalesce(floor, 0) = 0 AND overdraft = 0 AND ceiling IS NULL
    ) NOT VALID;
COMMENT ON COLUMN ledger.account.stripes IS 'how many accounts underneath hold its money; 0 for none';
COMMENT ON COLUMN ledger.account.stripe_of IS 'the account that this one is a stripe of';
CREATE INDEX account_by_whole ON ledger.account (stripe_of) WHERE stripe_of IS NOT NULL;

CREATE OR REPLACE FUNCTION ledger.check_reference() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.reference !~ (
        CASE WHEN NEW.stripe_of IS NULL THEN '^[A-Za-z0-9:_.-]{1,64}$' ELSE '^[A-Za-z0-9:_.-]{1,61}#[0-9]{2}$' END
    ) THEN
        RAISE EXCEPTION 'account reference % is malformed', NEW.reference USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER account_stripe_is_fixed BEFORE UPDATE OF stripe_of ON ledger.account
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
