-- Why: a channel may begin from a snapshot of its ledger instead of block 0, and snapshots are asked for in advance. The last
-- block of such a snapshot stands in channel.block with empty content, and in channel.transaction the ids of all transactions
-- up to it: so the next block follows it, and no id can be used again, by the statements that every channel uses.

CREATE TABLE channel.snapshot_request (
    channel_no smallint NOT NULL REFERENCES channel.channel,
    block_number bigint NOT NULL CHECK (block_number >= 0),
    PRIMARY KEY (channel_no, block_number)
);

-- Where a channel began that did not begin with block 0, and its configuration then.
CREATE TABLE channel.origin (
    channel_no smallint PRIMARY KEY REFERENCES channel.channel,
    last_block bigint NOT NULL CHECK (last_block >= 0),
    -- common.ConfigEnvelope, and the transaction that put it there.
    config bytea NOT NULL,
    config_block bigint NOT NULL,
    config_tx integer NOT NULL
);

-- Transaction ids of the snapshot whose form in channel.transaction is not the id itself.
CREATE TABLE channel.origin_tx_id (
    channel_no smallint NOT NULL REFERENCES channel.channel,
    claimed bytea NOT NULL
);

-- Private data collections of chaincodes (peer.CollectionConfigPackage), as of blocks up to the snapshot's.
CREATE TABLE channel.origin_collections (
    channel_no smallint NOT NULL REFERENCES channel.channel,
    chaincode text COLLATE "C" NOT NULL,
    block_number bigint NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (channel_no, chaincode, block_number)
);
