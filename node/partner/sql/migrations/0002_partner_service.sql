-- Why: what the other bank answers is signed as its requests are, and kept; a payment may be ordered under a quote and
-- sent back by a settlement of its own; and each partner may follow what happens between the two banks, from any place.

ALTER TABLE partner.evidence DROP CONSTRAINT evidence_kind_check;
ALTER TABLE partner.evidence ADD CONSTRAINT evidence_kind_known CHECK (kind IN (
    'prepare', 'complete', 'abort', 'prepare_answer', 'complete_answer', 'abort_answer', 'quote_request', 'quote'
));

-- A quote this bank gave. It is given once for its id, and one settlement may be ordered under it.
CREATE TABLE partner.quote (
    asking_msp_id text NOT NULL,
    quote_id text NOT NULL CHECK (length(quote_id) BETWEEN 1 AND 64),
    asset text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    fee bigint NOT NULL CHECK (fee >= 0 AND fee < amount),
    credited_asset text NOT NULL,
    credited_amount bigint NOT NULL CHECK (credited_amount > 0),
    rate text NOT NULL DEFAULT '',
    rate_pair text NOT NULL DEFAULT '',
    rate_source text NOT NULL DEFAULT '',
    rate_quoted_at timestamptz,
    quoted_at timestamptz NOT NULL,
    valid_until timestamptz NOT NULL CHECK (valid_until > quoted_at),
    PRIMARY KEY (asking_msp_id, quote_id),
    CONSTRAINT exchanged_at_a_rate CHECK (
        (asset <> credited_asset) = (rate <> '') AND (rate <> '') = (rate_quoted_at IS NOT NULL)
    ),
    CONSTRAINT nothing_is_lost CHECK (asset <> credited_asset OR amount = fee + credited_amount)
);
CREATE TRIGGER quote_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON partner.quote
FOR EACH STATEMENT EXECUTE FUNCTION partner.refuse_edit();

ALTER TABLE partner.outgoing
    ADD COLUMN quote_id text NOT NULL DEFAULT '',
    ADD COLUMN return_of text NOT NULL DEFAULT '',
    ADD COLUMN return_reason text NOT NULL DEFAULT '',
    ADD CONSTRAINT return_has_reason CHECK ((return_of = '') = (return_reason = ''));
-- One return of a settlement at a time; one that came to nothing may be followed by another.
CREATE UNIQUE INDEX outgoing_return_once ON partner.outgoing (receiver_msp_id, return_of)
WHERE return_of <> '' AND state NOT IN ('aborted', 'expired', 'returned');

ALTER TABLE partner.incoming
    ADD COLUMN quote_id text NOT NULL DEFAULT '',
    ADD COLUMN return_of text NOT NULL DEFAULT '',
    ADD COLUMN return_reason text NOT NULL DEFAULT '',
    ADD CONSTRAINT return_has_reason CHECK ((return_of = '') = (return_reason = ''));
CREATE UNIQUE INDEX incoming_quote_once ON partner.incoming (sender_msp_id, quote_id) WHERE quote_id <> '';
CREATE UNIQUE INDEX incoming_return_once ON partner.incoming (sender_msp_id, return_of)
WHERE return_of <> '' AND state <> 'aborted';
-- What a partner has used of his limits.
CREATE INDEX incoming_day ON partner.incoming (sender_msp_id, prepared_at);
CREATE INDEX incoming_open ON partner.incoming (sender_msp_id) WHERE state = 'prepared';

CREATE OR REPLACE FUNCTION partner.guard_outgoing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.settlement_id, OLD.payment_id, OLD.receiver_msp_id, OLD.debtor_account, OLD.beneficiary_account, OLD.asset,
        OLD.amount, OLD.description, OLD.ordered_at, OLD.deadline, OLD.quote_id, OLD.return_of, OLD.return_reason)
        IS DISTINCT FROM
       (NEW.settlement_id, NEW.payment_id, NEW.receiver_msp_id, NEW.debtor_account, NEW.beneficiary_account, NEW.asset,
        NEW.amount, NEW.description, NEW.ordered_at, NEW.deadline, NEW.quote_id, NEW.return_of, NEW.return_reason) THEN
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

CREATE OR REPLACE FUNCTION partner.guard_incoming() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.sender_msp_id, OLD.settlement_id, OLD.beneficiary_account, OLD.asset, OLD.amount, OLD.deadline,
        OLD.agreed_reference, OLD.quote_id, OLD.return_of, OLD.return_reason)
        IS DISTINCT FROM
       (NEW.sender_msp_id, NEW.settlement_id, NEW.beneficiary_account, NEW.asset, NEW.amount, NEW.deadline,
        NEW.agreed_reference, NEW.quote_id, NEW.return_of, NEW.return_reason) THEN
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

-- What a partner is told. Written in the commit that changes the state; numbered afterwards, because numbers taken inside
-- commits that overlap would let a reader pass one by that comes late.
CREATE TABLE partner.settlement_update (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partner_msp_id text NOT NULL,
    sequence bigint CHECK (sequence > 0),
    settlement_id text NOT NULL,
    from_partner boolean NOT NULL,
    state text NOT NULL,
    refusal text NOT NULL,
    asset text NOT NULL,
    amount bigint NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    UNIQUE (partner_msp_id, sequence)
);
CREATE INDEX settlement_update_unnumbered ON partner.settlement_update (partner_msp_id, id) WHERE sequence IS NULL;

CREATE FUNCTION partner.guard_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.sequence IS NOT NULL OR NEW.sequence IS NULL
        OR to_jsonb(OLD) - 'sequence' IS DISTINCT FROM to_jsonb(NEW) - 'sequence' THEN
        RAISE EXCEPTION 'what a partner was told cannot be changed' USING ERRCODE = 'DW002';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard_update BEFORE UPDATE ON partner.settlement_update
FOR EACH ROW EXECUTE FUNCTION partner.guard_update();
CREATE TRIGGER update_is_kept BEFORE DELETE OR TRUNCATE ON partner.settlement_update
FOR EACH STATEMENT EXECUTE FUNCTION partner.refuse_edit();

CREATE FUNCTION partner.tell_of_incoming() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = partner, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' OR OLD.state <> NEW.state THEN
        INSERT INTO partner.settlement_update (
            partner_msp_id, settlement_id, from_partner, state, refusal, asset, amount, seq, at
        ) VALUES (
            NEW.sender_msp_id, NEW.settlement_id, true, NEW.state, NEW.refusal, NEW.asset, NEW.amount,
            coalesce(NEW.seq, 0), NEW.changed_at
        );
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER tell_of_incoming AFTER INSERT OR UPDATE ON partner.incoming
FOR EACH ROW EXECUTE FUNCTION partner.tell_of_incoming();

-- What the partner never agreed to is not his to know.
CREATE FUNCTION partner.tell_of_outgoing() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = partner, pg_temp AS $$
BEGIN
    IF OLD.state <> NEW.state AND NEW.agreed_reference <> '' AND NEW.state <> 'prepared' THEN
        INSERT INTO partner.settlement_update (
            partner_msp_id, settlement_id, from_partner, state, refusal, asset, amount, seq, at
        ) VALUES (
            NEW.receiver_msp_id, NEW.settlement_id, false, NEW.state, NEW.refusal, NEW.asset, NEW.amount,
            coalesce(NEW.return_seq, NEW.seq, 0), NEW.changed_at
        );
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER tell_of_outgoing AFTER UPDATE ON partner.outgoing
FOR EACH ROW EXECUTE FUNCTION partner.tell_of_outgoing();

-- Numbers what is committed and has no number yet, one caller at a time: the next statement's snapshot sees all of it.
CREATE FUNCTION partner.number_updates(given_partner text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = partner, pg_temp AS $$
DECLARE
    newest bigint;
BEGIN
    IF NOT EXISTS (
        SELECT FROM partner.settlement_update WHERE partner_msp_id = given_partner AND sequence IS NULL
    ) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('partner.settlement_update/' || given_partner, 0));
    SELECT coalesce(max(sequence), 0) INTO newest FROM partner.settlement_update WHERE partner_msp_id = given_partner;
    UPDATE partner.settlement_update AS told SET sequence = newest + counted.place
    FROM (
        SELECT id, row_number() OVER (ORDER BY id) AS place
        FROM partner.settlement_update
        WHERE partner_msp_id = given_partner AND sequence IS NULL
    ) AS counted
    WHERE told.id = counted.id;
END
$$;
REVOKE EXECUTE ON FUNCTION partner.number_updates(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partner.number_updates(text) TO dwaybank_application;

GRANT SELECT ON partner.quote, partner.settlement_update TO dwaybank_application, dwaybank_reader;
GRANT INSERT ON partner.quote TO dwaybank_application;
