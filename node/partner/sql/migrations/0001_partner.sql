-- Why: a payment between banks must survive the crash of either at any step. Here stands how far each one has come, and
-- what the other bank signed. The database itself refuses a step back: once captured, a settlement is never aborted.

CREATE TABLE partner.outgoing (
    settlement_id text PRIMARY KEY CHECK (length(settlement_id) BETWEEN 1 AND 64),
    payment_id uuid NOT NULL UNIQUE,
    receiver_msp_id text NOT NULL,
    debtor_account text NOT NULL,
    beneficiary_account text NOT NULL,
    asset text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    description text NOT NULL,
    ordered_at timestamptz NOT NULL,
    deadline timestamptz NOT NULL CHECK (deadline > ordered_at),
    state text NOT NULL DEFAULT 'ordered' CHECK (
        state IN ('ordered', 'held', 'prepared', 'captured', 'completed', 'returned', 'aborted', 'expired')
    ),
    refusal text NOT NULL DEFAULT '',
    agreed_reference text NOT NULL DEFAULT '',
    seq bigint CHECK (seq > 0),
    partner_seq bigint CHECK (partner_seq > 0),
    return_seq bigint CHECK (return_seq > 0),
    abort_due boolean NOT NULL DEFAULT false,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT captured_has_entry CHECK ((state IN ('captured', 'completed', 'returned')) = (seq IS NOT NULL)),
    CONSTRAINT returned_has_entry CHECK ((state = 'returned') = (return_seq IS NOT NULL)),
    CONSTRAINT completed_has_partner_entry CHECK ((state = 'completed') = (partner_seq IS NOT NULL)),
    CONSTRAINT completed_was_not_refused CHECK (state <> 'completed' OR refusal = '')
);
CREATE INDEX outgoing_unfinished ON partner.outgoing (next_attempt_at)
WHERE state IN ('ordered', 'held', 'prepared', 'captured') OR abort_due;

CREATE TABLE partner.incoming (
    sender_msp_id text NOT NULL,
    settlement_id text NOT NULL CHECK (length(settlement_id) BETWEEN 1 AND 64),
    beneficiary_account text NOT NULL,
    asset text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    deadline timestamptz NOT NULL,
    agreed_reference text NOT NULL UNIQUE,
    prepared_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'prepared' CHECK (state IN ('prepared', 'completed', 'aborted')),
    completing boolean NOT NULL DEFAULT false,
    seq bigint CHECK (seq > 0),
    refusal text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (sender_msp_id, settlement_id),
    CONSTRAINT completed_has_entry CHECK ((state = 'completed') = (seq IS NOT NULL))
);
CREATE INDEX incoming_completing ON partner.incoming (changed_at) WHERE state = 'prepared' AND completing;

-- What the other bank signed, byte for byte, before anything was done about it.
CREATE TABLE partner.evidence (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender_msp_id text NOT NULL,
    settlement_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('prepare', 'complete', 'abort')),
    payload bytea NOT NULL,
    creator bytea NOT NULL,
    signature bytea NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX evidence_settlement ON partner.evidence (sender_msp_id, settlement_id);

CREATE FUNCTION partner.guard_outgoing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.settlement_id, OLD.payment_id, OLD.receiver_msp_id, OLD.debtor_account, OLD.beneficiary_account, OLD.asset,
        OLD.amount, OLD.description, OLD.ordered_at, OLD.deadline)
        IS DISTINCT FROM
       (NEW.settlement_id, NEW.payment_id, NEW.receiver_msp_id, NEW.debtor_account, NEW.beneficiary_account, NEW.asset,
        NEW.amount, NEW.description, NEW.ordered_at, NEW.deadline) THEN
        RAISE EXCEPTION 'an ordered payment cannot be changed' USING ERRCODE = 'DW011';
    END IF;
    IF OLD.state <> NEW.state AND NOT (CASE OLD.state
        WHEN 'ordered' THEN NEW.state IN ('held', 'aborted', 'expired')
        WHEN 'held' THEN NEW.state IN ('prepared', 'aborted', 'expired')
        WHEN 'prepared' THEN NEW.state IN ('captured', 'aborted', 'expired')
        WHEN 'captured' THEN NEW.state IN ('completed', 'returned')
        ELSE false
    END) THEN
        RAISE EXCEPTION 'a settlement cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'DW012';
    END IF;
    IF NEW.state = 'returned' AND OLD.refusal = '' THEN
        RAISE EXCEPTION 'a settlement is returned only after the refusal was written down' USING ERRCODE = 'DW012';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard_outgoing BEFORE UPDATE ON partner.outgoing
FOR EACH ROW EXECUTE FUNCTION partner.guard_outgoing();

CREATE FUNCTION partner.guard_incoming() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.sender_msp_id, OLD.settlement_id, OLD.beneficiary_account, OLD.asset, OLD.amount, OLD.deadline,
        OLD.agreed_reference)
        IS DISTINCT FROM
       (NEW.sender_msp_id, NEW.settlement_id, NEW.beneficiary_account, NEW.asset, NEW.amount, NEW.deadline,
        NEW.agreed_reference) THEN
        RAISE EXCEPTION 'an agreed settlement cannot be changed' USING ERRCODE = 'DW011';
    END IF;
    IF OLD.state <> 'prepared' OR (OLD.completing AND NOT NEW.completing) THEN
        RAISE EXCEPTION 'a settlement cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'DW012';
    END IF;
    IF NEW.state = 'completed' AND NOT NEW.completing THEN
        RAISE EXCEPTION 'a settlement is completed only after Complete was accepted' USING ERRCODE = 'DW012';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard_incoming BEFORE UPDATE ON partner.incoming
FOR EACH ROW EXECUTE FUNCTION partner.guard_incoming();

CREATE FUNCTION partner.refuse_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'history cannot be edited: % on partner.% is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'DW002';
END
$$;
CREATE TRIGGER evidence_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON partner.evidence
FOR EACH STATEMENT EXECUTE FUNCTION partner.refuse_edit();
CREATE TRIGGER outgoing_is_kept BEFORE DELETE OR TRUNCATE ON partner.outgoing
FOR EACH STATEMENT EXECUTE FUNCTION partner.refuse_edit();
CREATE TRIGGER incoming_is_kept BEFORE DELETE OR TRUNCATE ON partner.incoming
FOR EACH STATEMENT EXECUTE FUNCTION partner.refuse_edit();

GRANT USAGE ON SCHEMA partner TO dwaybank_application, dwaybank_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA partner TO dwaybank_application, dwaybank_reader;
GRANT INSERT ON partner.outgoing, partner.incoming, partner.evidence TO dwaybank_application;
GRANT UPDATE ON partner.outgoing, partner.incoming TO dwaybank_application;
