-- Why: a peer's ledger of the shared channels, kept beside the organization's books so that both can be compared in SQL.
-- Every table begins its key with the channel, so that one database may serve several. A block changes all of them in
-- one statement. Keys of the world state are bytea because composite keys hold NUL and must sort by bytes.

CREATE TABLE channel.channel (
    channel_no smallint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    channel_id text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE channel.block (
    channel_no smallint NOT NULL REFERENCES channel.channel,
    block_number bigint NOT NULL CHECK (block_number >= 0),
    header_hash bytea NOT NULL CHECK (length(header_hash) = 32),
    previous_hash bytea NOT NULL,
    commit_hash bytea NOT NULL,
    tx_count integer NOT NULL CHECK (tx_count >= 0),
    is_config boolean NOT NULL,
    -- common.Block as received, with the validation flags and the commit hash of this peer.
    content bytea NOT NULL,
    committed_at timestamptz NOT NULL,
    PRIMARY KEY (channel_no, block_number)
);
-- Blocks are written once and read whole: compression would cost time and give little.
ALTER TABLE channel.block ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE INDEX block_by_header_hash ON channel.block (channel_no, header_hash);
CREATE INDEX block_of_configuration ON channel.block (channel_no, block_number) WHERE is_config;

CREATE TABLE channel.transaction (
    channel_no smallint NOT NULL,
    block_number bigint NOT NULL,
    tx_number integer NOT NULL,
    -- The id as claimed; one of more than 128 characters stands here as 'sha256:' and its hash.
    tx_id text COLLATE "C" NOT NULL CHECK (length(tx_id) <= 128),
    validation_code smallint NOT NULL CHECK (validation_code BETWEEN 0 AND 255),
    header_type integer NOT NULL,
    -- The creator's claim in its channel header, seconds and nanoseconds since 1970, not checked by anyone.
    claimed_seconds bigint NOT NULL,
    claimed_nanos integer NOT NULL,
    PRIMARY KEY (channel_no, block_number, tx_number),
    FOREIGN KEY (channel_no, block_number) REFERENCES channel.block
);
CREATE INDEX transaction_by_id ON channel.transaction (channel_no, tx_id, block_number, tx_number);

-- Public state has collection ''; a private collection has here the hashes of its keys and values, which all members hold.
CREATE TABLE channel.state (
    channel_no smallint NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    -- The key up to 1024 bytes; of a longer one its first 1024 bytes and its SHA-256, and the key itself in long_key.
    key bytea NOT NULL CHECK (length(key) <= 1056),
    long_key bytea CHECK (length(long_key) > 1024),
    value bytea NOT NULL,
    metadata bytea NOT NULL,
    block_number bigint NOT NULL,
    tx_number integer NOT NULL,
    PRIMARY KEY (channel_no, namespace, collection, key)
);

-- Few keys have metadata, most channels none: this tells at start whether key-level policies must be looked for.
CREATE INDEX state_with_metadata ON channel.state (channel_no) WHERE metadata <> ''::bytea;

-- Private values this organization is a member for.
CREATE TABLE channel.private_state (
    channel_no smallint NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    key bytea NOT NULL CHECK (length(key) <= 1056),
    long_key bytea CHECK (length(long_key) > 1024),
    value bytea NOT NULL,
    block_number bigint NOT NULL,
    tx_number integer NOT NULL,
    PRIMARY KEY (channel_no, namespace, collection, key)
);

-- A deletion or an expiry names a private key by its hash only.
CREATE INDEX private_state_by_hash
    ON channel.private_state (channel_no, namespace, collection, sha256(coalesce(long_key, key)));

-- Hashes of private keys that leave the state when a later block commits, unless they are written again before.
CREATE TABLE channel.expiry (
    channel_no smallint NOT NULL,
    expiring_block bigint NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    key bytea NOT NULL,
    committed_block bigint NOT NULL,
    PRIMARY KEY (channel_no, expiring_block, namespace, collection, key)
);

-- Private write sets as endorsed, per valid transaction, in the wire form that DeliverWithPrivateData hands out.
CREATE TABLE channel.private_write_set (
    channel_no smallint NOT NULL,
    block_number bigint NOT NULL,
    tx_number integer NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (channel_no, block_number, tx_number)
);

-- Private write sets between endorsement and commit, of this peer's own endorsements or handed over by another's.
CREATE TABLE channel.transient_write_set (
    channel_no smallint NOT NULL REFERENCES channel.channel,
    tx_id text COLLATE "C" NOT NULL,
    content_hash bytea NOT NULL CHECK (length(content_hash) = 32),
    content bytea NOT NULL,
    endorsed_at bigint NOT NULL,
    PRIMARY KEY (channel_no, tx_id, content_hash)
);

-- Every write of a valid transaction to public state, for a key's history.
CREATE TABLE channel.history (
    channel_no smallint NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    key bytea NOT NULL CHECK (length(key) <= 1056),
    block_number bigint NOT NULL,
    tx_number integer NOT NULL,
    is_delete boolean NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (channel_no, namespace, key, block_number, tx_number)
);
