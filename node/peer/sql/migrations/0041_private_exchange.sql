-- Why: members of a private collection get values from one another's peers. What a peer should have and lacks is written
-- down with the block that needs it, so that nothing is forgotten; what was purged is remembered, so that nothing comes back.

CREATE TABLE channel.missing_private_set (
    channel_no smallint NOT NULL REFERENCES channel.channel,
    block_number bigint NOT NULL,
    tx_number integer NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    -- Hash of the set in the transaction: what is handed over must have it.
    rwset_hash bytea NOT NULL CHECK (length(rwset_hash) = 32),
    tries integer NOT NULL DEFAULT 0,
    PRIMARY KEY (channel_no, block_number, tx_number, namespace, collection)
);

CREATE TABLE channel.private_purge (
    channel_no smallint NOT NULL REFERENCES channel.channel,
    namespace text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    key_hash bytea NOT NULL,
    block_number bigint NOT NULL,
    tx_number integer NOT NULL,
    PRIMARY KEY (channel_no, namespace, collection, key_hash, block_number, tx_number)
);
