-- Why: every completed payment between banks becomes an obligation on the shared ledger, exactly once, whatever crashes.
-- A row is added in the commit that completes the settlement; the shared ledger says how far it has come, this table
-- says what is still to be done there, and keeps the salt that the first doing took.

CREATE TABLE partner.obligation (
    outgoing boolean NOT NULL,
    partner_msp_id text NOT NULL,
    settlement_id text NOT NULL,
    asset text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    seq bigint NOT NULL CHECK (seq > 0),
    completed_at timestamptz NOT NULL,
    obligation_id text UNIQUE CHECK (obligation_id ~ '^[0-9a-f]{32}$'),
    salt bytea CHECK (length(salt) = 32),
    value_date date,
    state text NOT NULL DEFAULT '' CHECK (
        state IN ('', 'proposed', 'agreed', 'netting', 'settled', 'returned', 'cancelled', 'expired')
    ),
    books text NOT NULL DEFAULT '' CHECK (books IN ('', 'open', 'one_sided', 'agreed', 'diverged')),
    note text NOT NULL DEFAULT '',
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (outgoing, partner_msp_id, settlement_id),
    CONSTRAINT outgoing_has_salt CHECK (
        NOT outgoing OR (obligation_id IS NULL) = (salt IS NULL) AND (salt IS NULL) = (value_date IS NULL)
    )
);
CREATE INDEX obligation_due ON partner.obligation (next_attempt_at)
WHERE state IN ('', 'proposed', 'agreed', 'netting');

CREATE FUNCTION partner.record_outgoing_obligation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = partner, pg_temp AS $$
BEGIN
    INSERT INTO partner.obligation (
        outgoing, partner_msp_id, settlement_id, asset, amount, seq, completed_at, next_attempt_at, changed_at
    ) VALUES (
        true, NEW.receiver_msp_id, NEW.settlement_id, NEW.asset, NEW.amount, NEW.seq, NEW.changed_at, NEW.changed_at,
        NEW.changed_at
    );
    RETURN NULL;
END
$$;
CREATE TRIGGER completed_becomes_obligation AFTER UPDATE ON partner.outgoing
FOR EACH ROW WHEN (NEW.state = 'completed' AND OLD.state <> 'completed')
EXECUTE FUNCTION partner.record_outgoing_obligation();

CREATE FUNCTION partner.record_incoming_obligation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = partner, pg_temp AS $$
BEGIN
    INSERT INTO partner.obligation (
        outgoing, partner_msp_id, settlement_id, asset, amount, seq, completed_at, next_attempt_at, changed_at
    ) VALUES (
        false, NEW.sender_msp_id, NEW.settlement_id, NEW.asset, NEW.amount, NEW.seq, NEW.changed_at, NEW.changed_at,
        NEW.changed_at
    );
    RETURN NULL;
END
$$;
CREATE TRIGGER completed_becomes_obligation AFTER UPDATE ON partner.incoming
FOR EACH ROW WHEN (NEW.state = 'completed' AND OLD.state <> 'completed')
EXECUTE FUNCTION partner.record_incoming_obligation();

-- Payments of before are obligations too.
INSERT INTO partner.obligation (
    outgoing, partner_msp_id, settlement_id, asset, amount, seq, completed_at, next_attempt_at, changed_at
)
SELECT true, receiver_msp_id, settlement_id, asset, amount, seq, changed_at, changed_at, changed_at
FROM partner.outgoing WHERE state = 'completed'
UNION ALL
SELECT false, sender_msp_id, settlement_id, asset, amount, seq, changed_at, changed_at, changed_at
FROM partner.incoming WHERE state = 'completed';

CREATE FUNCTION partner.guard_obligation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.outgoing, OLD.partner_msp_id, OLD.settlement_id, OLD.asset, OLD.amount, OLD.seq, OLD.completed_at)
        IS DISTINCT FROM
       (NEW.outgoing, NEW.partner_msp_id, NEW.settlement_id, NEW.asset, NEW.amount, NEW.seq, NEW.completed_at) THEN
        RAISE EXCEPTION 'what an obligation is about cannot be changed' USING ERRCODE = 'DW011';
    END IF;
    IF OLD.obligation_id IS NOT NULL AND (OLD.obligation_id, OLD.salt) IS DISTINCT FROM (NEW.obligation_id, NEW.salt) THEN
        RAISE EXCEPTION 'an obligation keeps its id and its salt' USING ERRCODE = 'DW011';
    END IF;
    IF OLD.state IN ('settled', 'returned', 'cancelled', 'expired') AND OLD.state <> NEW.state THEN
        RAISE EXCEPTION 'an obligation cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'DW012';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard_obligation BEFORE UPDATE ON partner.obligation
FOR EACH ROW EXECUTE FUNCTION partner.guard_obligation();
CREATE TRIGGER obligation_is_kept BEFORE DELETE OR TRUNCATE ON partner.obligation
FOR EACH STATEMENT EXECUTE FUNCTION partner.refuse_edit();

GRANT SELECT ON partner.obligation TO dwaybank_application, dwaybank_reader;
GRANT UPDATE ON partner.obligation TO dwaybank_application;
