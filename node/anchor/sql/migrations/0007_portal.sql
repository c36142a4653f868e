-- Why: the portal keeps nothing itself. A case is a list of what examiners put into it, which only grows: who opens,
-- closes and reopens it stands in the list, too. A passkey's counter moves with each use, so that a copy shows.

CREATE TABLE log.case_item (
    case_id uuid NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    kind text COLLATE "C" NOT NULL
        CHECK (kind IN ('opened', 'entry', 'finding', 'demand', 'note', 'closed', 'reopened')),
    subject text COLLATE "C" NOT NULL,
    -- Of the first item the case's title.
    note text NOT NULL,
    added_by text NOT NULL CHECK (added_by <> ''),
    added_at timestamptz NOT NULL,
    PRIMARY KEY (case_id, number),
    CHECK ((number = 1) = (kind = 'opened'))
);

CREATE TRIGGER case_item_stays BEFORE UPDATE OR DELETE ON log.case_item
    FOR EACH ROW EXECUTE FUNCTION log.refuse_change();

CREATE TABLE log.passkey (
    credential_id bytea PRIMARY KEY CHECK (length(credential_id) BETWEEN 1 AND 1023),
    person text COLLATE "C" NOT NULL CHECK (person <> ''),
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL CHECK (sign_count >= 0),
    label text NOT NULL,
    added_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX passkey_by_person ON log.passkey (person);

GRANT SELECT, INSERT ON log.case_item, log.passkey TO dwaybank_application;
GRANT UPDATE, DELETE ON log.passkey TO dwaybank_application;
