-- Why: evidence and explanations of findings stay with the organizations concerned; the shared ledger has their salted
-- commitments.

CREATE TABLE log.finding_text (
    commitment bytea PRIMARY KEY CHECK (length(commitment) = 32),
    salt bytea NOT NULL CHECK (length(salt) = 32),
    text text NOT NULL
);

CREATE TRIGGER finding_text_stays BEFORE UPDATE OR DELETE ON log.finding_text
    FOR EACH ROW EXECUTE FUNCTION log.refuse_change();

GRANT SELECT, INSERT ON log.finding_text TO dwaybank_application;
