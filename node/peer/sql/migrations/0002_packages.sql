-- Why: what concerns a peer and no single channel: the chaincode packages its organization installed, and the channels
-- it joined by an administrator's request rather than by its settings.

-- A package is named by its label and the hash of its bytes, so it never changes.
CREATE TABLE channel.chaincode_package (
    package_id text COLLATE "C" PRIMARY KEY,
    content bytea NOT NULL
);
-- Packages are compressed archives.
ALTER TABLE channel.chaincode_package ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE channel.joined_channel (
    channel_no smallint PRIMARY KEY REFERENCES channel.channel,
    joined_at timestamptz NOT NULL
);
