-- Why: what members disclosed must be searchable, and whoever looks at it leaves a trace. Entries came in bundles that
-- proved them against the shared ledger; they do not change. Looks form a chain: each names the one before.

CREATE TABLE log.disclosed_entry (
    organization text COLLATE "C" NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    demand_id text COLLATE "C" NOT NULL,
    disclosed_at timestamptz NOT NULL,
    leaf bytea NOT NULL CHECK (length(leaf) = 32),
    posted_at timestamptz NOT NULL,
    effective_at timestamptz NOT NULL,
    settlement_id text COLLATE "C" NOT NULL,
    -- The entry's idempotency key.
    entry_key uuid NOT NULL,
    decision text COLLATE "C" NOT NULL,
    decision_id text COLLATE "C" NOT NULL,
    -- Of the rules that decided, and what the entry was worth to them in minor units of the reporting currency; null
    -- where the bundle carried no decision record, worth also where the rules could have none.
    rules_hash text COLLATE "C",
    worth bigint,
    -- The entry as its canonical form says it (JSON), and the bundle that proved it.
    fields text NOT NULL,
    bundle bytea NOT NULL,
    PRIMARY KEY (organization, seq)
);
CREATE INDEX disclosed_by_posting_time ON log.disclosed_entry (posted_at, organization, seq);
CREATE INDEX disclosed_by_effect ON log.disclosed_entry (effective_at, organization, seq);
CREATE INDEX disclosed_by_worth ON log.disclosed_entry (worth, organization, seq);
CREATE INDEX disclosed_by_settlement ON log.disclosed_entry (settlement_id) WHERE settlement_id <> '';
CREATE INDEX disclosed_by_decision ON log.disclosed_entry (decision_id);
CREATE INDEX disclosed_by_key ON log.disclosed_entry (entry_key);
CREATE INDEX disclosed_for_review ON log.disclosed_entry (organization, seq) WHERE decision <> 'automated_approval';

CREATE TABLE log.disclosed_posting (
    organization text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    place smallint NOT NULL CHECK (place >= 0),
    account text COLLATE "C" NOT NULL,
    asset text COLLATE "C" NOT NULL,
    side text COLLATE "C" NOT NULL CHECK (side IN ('debit', 'credit')),
    amount bigint NOT NULL CHECK (amount > 0),
    PRIMARY KEY (organization, seq, place),
    FOREIGN KEY (organization, seq) REFERENCES log.disclosed_entry
);
CREATE INDEX disclosed_by_account ON log.disclosed_posting (account, asset, amount);
CREATE INDEX disclosed_by_amount ON log.disclosed_posting (asset, amount);

CREATE TABLE log.look (
    number bigint PRIMARY KEY CHECK (number > 0),
    looked_at timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor <> ''),
    -- What was asked, and which entries were shown, by organization (JSON).
    asked text NOT NULL,
    shown text NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32)
);

CREATE TABLE log.saved_search (
    name text COLLATE "C" PRIMARY KEY,
    search text NOT NULL,
    saved_by text NOT NULL,
    saved_at timestamptz NOT NULL
);

-- Searching anchored entries begins at the anchors: by time, and by entry where no organization is named.
CREATE INDEX audit_record_by_time ON log.audit_record (kind, recorded_at);
CREATE INDEX audit_record_by_end ON log.audit_record (kind, to_seq) WHERE to_seq IS NOT NULL;

CREATE TRIGGER disclosed_entry_stays BEFORE UPDATE OR DELETE ON log.disclosed_entry
    FOR EACH ROW EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER disclosed_posting_stays BEFORE UPDATE OR DELETE ON log.disclosed_posting
    FOR EACH ROW EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER look_stays BEFORE UPDATE OR DELETE ON log.look
    FOR EACH ROW EXECUTE FUNCTION log.refuse_change();

-- Who reports over the organization does not look at what others disclosed: that goes through the node, which writes it down.
GRANT SELECT ON log.look, log.saved_search TO dwaybank_application, dwaybank_reader;
GRANT SELECT ON log.disclosed_entry, log.disclosed_posting TO dwaybank_application;
GRANT INSERT ON log.disclosed_entry, log.disclosed_posting, log.look, log.saved_search TO dwaybank_application;
GRANT UPDATE, DELETE ON log.saved_search TO dwaybank_application;
