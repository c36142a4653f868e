-- Why: the organization's transparency log. Tiles and checkpoints of its own entries, the copies it mirrors of other
-- members' logs, and what it found wrong with them. Nothing here is ever shortened: a log that could be would prove nothing.

CREATE TABLE log.tile (
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    index bigint NOT NULL CHECK (index >= 0),
    hashes bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (level, index)
);

CREATE TABLE log.checkpoint (
    size bigint PRIMARY KEY CHECK (size > 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    note bytea NOT NULL,
    sealed_at timestamptz NOT NULL
);

-- What opens the salted commitment that an anchor carries; shown to the regulator only.
CREATE TABLE log.control_opening (
    size bigint PRIMARY KEY REFERENCES log.checkpoint,
    totals text NOT NULL,
    salt bytea NOT NULL CHECK (length(salt) = 32),
    commitment bytea NOT NULL CHECK (length(commitment) = 32)
);

CREATE TABLE log.mirror_tile (
    organization text COLLATE "C" NOT NULL,
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    index bigint NOT NULL CHECK (index >= 0),
    hashes bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (organization, level, index)
);

-- Anchored heads of other members' logs whose tiles this node fetched and checked.
CREATE TABLE log.mirror_head (
    organization text COLLATE "C" NOT NULL,
    size bigint NOT NULL CHECK (size > 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    verified_at timestamptz NOT NULL,
    PRIMARY KEY (organization, size)
);

CREATE TABLE log.mirror_finding (
    organization text COLLATE "C" NOT NULL,
    size bigint NOT NULL,
    explanation text NOT NULL,
    found_at timestamptz NOT NULL,
    PRIMARY KEY (organization, size, explanation)
);

CREATE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of log.% are never changed or removed', TG_TABLE_NAME;
END
$$;

CREATE FUNCTION log.refuse_shrinking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF substring(new.hashes FROM 1 FOR length(old.hashes)) <> old.hashes THEN
        RAISE EXCEPTION 'tile % of level % of log.% only grows', old.index, old.level, TG_TABLE_NAME;
    END IF;
    RETURN new;
END
$$;

CREATE TRIGGER tile_grows BEFORE UPDATE ON log.tile FOR EACH ROW EXECUTE FUNCTION log.refuse_shrinking();
CREATE TRIGGER tile_stays BEFORE DELETE ON log.tile FOR EACH ROW EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER checkpoint_stays BEFORE UPDATE OR DELETE ON log.checkpoint
    FOR EACH ROW EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER control_opening_stays BEFORE UPDATE OR DELETE ON log.control_opening
    FOR EACH ROW EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER mirror_tile_grows BEFORE UPDATE ON log.mirror_tile
    FOR EACH ROW EXECUTE FUNCTION log.refuse_shrinking();
CREATE TRIGGER mirror_tile_stays BEFORE DELETE ON log.mirror_tile
    FOR EACH ROW EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER mirror_head_stays BEFORE UPDATE OR DELETE ON log.mirror_head
    FOR EACH ROW EXECUTE FUNCTION log.refuse_change();

-- The application adds to the log; nobody but the owner may do more. Roles belong to the cluster and may stand already.
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['dwaybank_application', 'dwaybank_reader'] LOOP
        -- Looked for first: an owner who may not create roles finds them made by whoever set the database up.
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
    END LOOP;
END
$$;
GRANT USAGE ON SCHEMA log TO dwaybank_application, dwaybank_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA log TO dwaybank_application, dwaybank_reader;
GRANT INSERT ON log.tile, log.checkpoint, log.control_opening, log.mirror_tile, log.mirror_head, log.mirror_finding
    TO dwaybank_application;
GRANT UPDATE ON log.tile, log.mirror_tile TO dwaybank_application;
