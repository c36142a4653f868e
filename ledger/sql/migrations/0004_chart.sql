-- Why: accounts get a place and a name. Books, portfolios and segments order them, a chart says which codes a book knows,
-- pairs of metadata and aliases make them findable, and each of these changes leaves a row that nobody can edit.
--
-- Nothing of this touches ledger.account: what is indexed here would make every change of a balance leave its page. An
-- account opened before this migration has no row in the tables below: it stands in book main and has no metadata.

CREATE FUNCTION ledger.is_code(p_code text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_code ~ '^[A-Za-z0-9_.-]{1,64}$'
$$;

CREATE TABLE ledger.book (
    id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE CHECK (ledger.is_code(code)),
    enforced boolean NOT NULL DEFAULT false,
    version bigint NOT NULL DEFAULT 0
);
COMMENT ON COLUMN ledger.book.enforced IS 'whether an account that does not fit the chart is refused';
COMMENT ON COLUMN ledger.book.version IS 'newest number of ledger.chart_change';
INSERT INTO ledger.book (code) VALUES ('main');

CREATE TABLE ledger.portfolio (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    book_id smallint NOT NULL REFERENCES ledger.book,
    code text NOT NULL CHECK (ledger.is_code(code)),
    UNIQUE (book_id, code),
    UNIQUE (book_id, id)
);
COMMENT ON TABLE ledger.portfolio IS 'accounts of one owner or purpose';

CREATE TABLE ledger.segment (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    book_id smallint NOT NULL REFERENCES ledger.book,
    code text NOT NULL CHECK (ledger.is_code(code)),
    UNIQUE (book_id, code),
    UNIQUE (book_id, id)
);
COMMENT ON TABLE ledger.segment IS 'accounts of one kind, across portfolios';

-- The rules of the newest version; all versions stand in ledger.chart_change.
CREATE TABLE ledger.chart_rule (
    book_id smallint NOT NULL REFERENCES ledger.book,
    pattern text NOT NULL,
    precedence text COLLATE "C" NOT NULL,
    expression text NOT NULL,
    head text NOT NULL GENERATED ALWAYS AS (substring(precedence FROM '^[^{|}~]*')) STORED,
    normal_side smallint NOT NULL CHECK (normal_side IN (1, 2)),
    assets text[] NOT NULL CHECK (array_position(assets, NULL) IS NULL),
    negative boolean NOT NULL,
    floor bigint CHECK (floor BETWEEN -4611686018427387903 AND 0),
    overdraft bigint NOT NULL CHECK (overdraft BETWEEN 0 AND 4611686018427387903),
    ceiling bigint CHECK (ceiling BETWEEN 0 AND 4611686018427387903),
    PRIMARY KEY (book_id, precedence),
    CONSTRAINT chart_rule_terms_not_negative CHECK (negative OR (floor IS NOT NULL AND floor = 0 AND overdraft = 0))
);
COMMENT ON COLUMN ledger.chart_rule.precedence IS 'the pattern, variables as late letters: of all that fit, the first decides';
COMMENT ON COLUMN ledger.chart_rule.head IS 'what references begin with: most rules are passed over without their expression';
COMMENT ON COLUMN ledger.chart_rule.assets IS 'codes; empty for any';
COMMENT ON COLUMN ledger.chart_rule.negative IS 'whether balances may fall below zero';
COMMENT ON COLUMN ledger.chart_rule.floor IS 'this, overdraft and ceiling: terms of an account opened by the chart';

CREATE TABLE ledger.chart_change (
    book_id smallint NOT NULL REFERENCES ledger.book,
    number bigint NOT NULL CHECK (number > 0),
    at timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor ~ '^[A-Za-z0-9:_.@-]{1,64}$'),
    what jsonb NOT NULL,
    PRIMARY KEY (book_id, number)
);

CREATE TABLE ledger.account_place (
    account_id bigint PRIMARY KEY REFERENCES ledger.account,
    book_id smallint NOT NULL REFERENCES ledger.book,
    portfolio_id integer,
    segment_id integer,
    opening_hash bytea CHECK (octet_length(opening_hash) = 32),
    opened_by text CHECK (opened_by ~ '^[A-Za-z0-9:_.@-]{1,64}$'),
    FOREIGN KEY (book_id, portfolio_id) REFERENCES ledger.portfolio (book_id, id),
    FOREIGN KEY (book_id, segment_id) REFERENCES ledger.segment (book_id, id)
);
COMMENT ON COLUMN ledger.account_place.opening_hash IS
    'SHA-256 of what was asked when the account was opened; null where that was before this migration';
CREATE INDEX account_place_by_portfolio ON ledger.account_place (portfolio_id) WHERE portfolio_id IS NOT NULL;
CREATE INDEX account_place_by_segment ON ledger.account_place (segment_id) WHERE segment_id IS NOT NULL;

CREATE TABLE ledger.account_metadata (
    account_id bigint PRIMARY KEY REFERENCES ledger.account,
    pairs jsonb NOT NULL CHECK (
        jsonb_typeof(pairs) = 'object' AND NOT jsonb_path_exists(pairs, '$.* ? (@.type() != "string")')
    ),
    version bigint NOT NULL
);
COMMENT ON COLUMN ledger.account_metadata.version IS 'newest number of ledger.metadata_change';
CREATE INDEX account_metadata_by_pair ON ledger.account_metadata USING gin (pairs jsonb_path_ops);

CREATE TABLE ledger.metadata_change (
    account_id bigint NOT NULL REFERENCES ledger.account,
    number bigint NOT NULL CHECK (number > 0),
    at timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor ~ '^[A-Za-z0-9:_.@-]{1,64}$'),
    name text NOT NULL CHECK (ledger.is_code(name)),
    before text,
    after text CHECK (char_length(after) BETWEEN 1 AND 256 AND after !~ '[[:cntrl:]]'),
    PRIMARY KEY (account_id, number),
    CHECK (before IS DISTINCT FROM after)
);
COMMENT ON COLUMN ledger.metadata_change.before IS 'null where the name is new';
COMMENT ON COLUMN ledger.metadata_change.after IS 'null where the name was removed';

-- References cannot hold an @, aliases begin with one: so neither can ever be mistaken for the other.
CREATE TABLE ledger.alias (
    alias text COLLATE "C" PRIMARY KEY CHECK (alias ~ '^@[A-Za-z0-9:_.-]{1,63}$'),
    account_id bigint REFERENCES ledger.account,
    version bigint NOT NULL
);
COMMENT ON COLUMN ledger.alias.account_id IS 'null when it was taken back; its history stays';
COMMENT ON COLUMN ledger.alias.version IS 'newest number of ledger.alias_change';
CREATE INDEX alias_by_account ON ledger.alias (account_id) WHERE account_id IS NOT NULL;

CREATE TABLE ledger.alias_change (
    alias text COLLATE "C" NOT NULL REFERENCES ledger.alias,
    number bigint NOT NULL CHECK (number > 0),
    at timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor ~ '^[A-Za-z0-9:_.@-]{1,64}$'),
    before bigint REFERENCES ledger.account,
    after bigint REFERENCES ledger.account,
    PRIMARY KEY (alias, number),
    CHECK (before IS DISTINCT FROM after)
);

CREATE TRIGGER chart_change_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.chart_change
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER metadata_change_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.metadata_change
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER alias_change_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.alias_change
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER book_is_kept BEFORE DELETE OR TRUNCATE ON ledger.book
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER account_place_is_kept BEFORE DELETE OR TRUNCATE ON ledger.account_place
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- It grows arguments and answers more than a code: with the old one beside it a call would be ambiguous.
DROP FUNCTION IF EXISTS ledger.open_account(text, text, smallint, bigint, timestamptz);
-- ledger.set_account_terms takes its place, and leaves history.
DROP FUNCTION IF EXISTS ledger.set_account_status(bigint, text, smallint);
