-- Why: the records behind every entry's compliance decision begin here, with the rules that decided and the epochs the
-- shared ledger anchors.
--
-- A decision has no foreign key to its entry: the writer inserts both in one commit, millions of times, and
-- compliance.violation names whatever does not fit.

CREATE TABLE compliance.rule_set (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    text text NOT NULL,
    first_used_at timestamptz NOT NULL
);
COMMENT ON COLUMN compliance.rule_set.text IS 'canonical JSON; hash is SHA-256 of a domain tag and this';

CREATE TABLE compliance.decision (
    seq bigint PRIMARY KEY CHECK (seq > 0),
    decision_id uuid NOT NULL,
    outcome smallint NOT NULL CHECK (outcome IN (1, 2)),
    rule_set_id integer NOT NULL,
    reporting_amount bigint CHECK (reporting_amount > 0),
    decided_at timestamptz NOT NULL,
    salt bytea NOT NULL CHECK (octet_length(salt) = 32),
    leaf bytea NOT NULL CHECK (octet_length(leaf) = 32),
    CONSTRAINT decision_unconverted_is_reviewed CHECK (reporting_amount IS NOT NULL OR outcome = 2)
);
COMMENT ON COLUMN compliance.decision.outcome IS '1 automated_approval, 2 requires_manual_review';
COMMENT ON COLUMN compliance.decision.reporting_amount IS
    'worth of the debits in minor units of the reporting currency, rounded up; null where it could not be converted';
-- The random ids of flagged records are unique by contract; those of the others are never looked up.
CREATE UNIQUE INDEX decision_flagged ON compliance.decision (decision_id) WHERE outcome = 2;

CREATE TABLE compliance.epoch (
    number bigint PRIMARY KEY CHECK (number > 0),
    from_seq bigint NOT NULL UNIQUE,
    to_seq bigint NOT NULL UNIQUE,
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    rule_set_id integer NOT NULL REFERENCES compliance.rule_set,
    CHECK (to_seq >= from_seq)
);
COMMENT ON TABLE compliance.epoch IS 'epochs as built once for the shared ledger; a retry sends the same';

CREATE FUNCTION compliance.refuse_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'decisions are history: % on compliance.% is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'DW002';
END
$$;
CREATE TRIGGER decision_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON compliance.decision
    FOR EACH STATEMENT EXECUTE FUNCTION compliance.refuse_edit();
CREATE TRIGGER rule_set_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON compliance.rule_set
    FOR EACH STATEMENT EXECUTE FUNCTION compliance.refuse_edit();
CREATE TRIGGER epoch_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON compliance.epoch
    FOR EACH STATEMENT EXECUTE FUNCTION compliance.refuse_edit();

-- Runs inside the commit that posts the entries; arrays run in the order of seq.
CREATE FUNCTION compliance.record_decisions(
    p_hash bytea, p_text text, p_decided_at timestamptz, p_seq bigint[], p_decision_id uuid[], p_outcome smallint[],
    p_reporting_amount bigint[], p_salt bytea[], p_leaf bytea[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_rule_set integer;
BEGIN
    SELECT id INTO v_rule_set FROM compliance.rule_set WHERE hash = p_hash;
    IF v_rule_set IS NULL THEN
        INSERT INTO compliance.rule_set (hash, text, first_used_at) VALUES (p_hash, p_text, p_decided_at)
        RETURNING id INTO v_rule_set;
    END IF;
    INSERT INTO compliance.decision (
        seq, decision_id, outcome, rule_set_id, reporting_amount, decided_at, salt, leaf
    )
    SELECT seq, decision_id, outcome, v_rule_set, nullif(amount, 0), p_decided_at, salt, leaf
    FROM unnest(p_seq, p_decision_id, p_outcome, p_reporting_amount, p_salt, p_leaf)
        AS added (seq, decision_id, outcome, amount, salt, leaf);
END
$$;

-- Each entry has exactly one decision, and both sides say the same of it: an empty view is the rule kept.
CREATE VIEW compliance.violation AS
SELECT coalesce(entry.seq, decision.seq) AS seq,
    CASE
        WHEN decision.seq IS NULL THEN 'entry without a decision'
        WHEN entry.seq IS NULL THEN 'decision without an entry'
        WHEN entry.decision_id <> decision.decision_id THEN 'another decision id'
        WHEN entry.decision_outcome <> decision.outcome THEN 'another outcome'
        WHEN entry.decision_leaf <> decision.leaf THEN 'another leaf'
        WHEN entry.posted_at <> decision.decided_at THEN 'another time'
        ELSE 'unknown rules'
    END AS explanation
FROM ledger.entry
FULL JOIN compliance.decision ON decision.seq = entry.seq
LEFT JOIN compliance.rule_set ON rule_set.id = decision.rule_set_id
WHERE entry.seq IS NULL
    OR decision.seq IS NULL
    OR entry.decision_id <> decision.decision_id
    OR entry.decision_outcome <> decision.outcome
    OR entry.decision_leaf <> decision.leaf
    OR entry.posted_at <> decision.decided_at
    OR rule_set.id IS NULL;
