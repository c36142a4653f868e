-- Why: every active currency, registering an asset as a recorded act, and rates kept as the evidence they are.

-- ISO 4217, list one as of January 2026, with its digits: what 0001 left out, funds codes included. Codes without a
-- minor unit of their own (metals, special drawing rights, tests) are registered by whoever knows the digits he needs.
INSERT INTO ledger.asset (code, scale) VALUES
    ('AFN', 2), ('ALL', 2), ('AMD', 2), ('AOA', 2), ('ARS', 2), ('AWG', 2), ('AZN', 2), ('BAM', 2), ('BBD', 2), ('BDT', 2),
    ('BIF', 0), ('BMD', 2), ('BND', 2), ('BOB', 2), ('BOV', 2), ('BSD', 2), ('BTN', 2), ('BWP', 2), ('BYN', 2), ('BZD', 2),
    ('CDF', 2), ('CHE', 2), ('CHW', 2), ('CLF', 4), ('COU', 2), ('CRC', 2), ('CUP', 2), ('CVE', 2), ('DJF', 0), ('DOP', 2),
    ('DZD', 2), ('ERN', 2), ('ETB', 2), ('FJD', 2), ('FKP', 2), ('GEL', 2), ('GHS', 2), ('GIP', 2), ('GMD', 2), ('GNF', 0),
    ('GTQ', 2), ('GYD', 2), ('HNL', 2), ('HTG', 2), ('IQD', 3), ('IRR', 2), ('JMD', 2), ('KGS', 2), ('KHR', 2), ('KMF', 0),
    ('KPW', 2), ('KYD', 2), ('KZT', 2), ('LAK', 2), ('LBP', 2), ('LKR', 2), ('LRD', 2), ('LSL', 2), ('LYD', 3), ('MDL', 2),
    ('MGA', 2), ('MKD', 2), ('MMK', 2), ('MNT', 2), ('MOP', 2), ('MRU', 2), ('MUR', 2), ('MVR', 2), ('MWK', 2), ('MXV', 2),
    ('MZN', 2), ('NAD', 2), ('NIO', 2), ('NPR', 2), ('PAB', 2), ('PGK', 2), ('PYG', 0), ('RUB', 2), ('RWF', 0), ('SBD', 2),
    ('SCR', 2), ('SDG', 2), ('SHP', 2), ('SLE', 2), ('SOS', 2), ('SRD', 2), ('SSP', 2), ('STN', 2), ('SVC', 2), ('SYP', 2),
    ('SZL', 2), ('TJS', 2), ('TMT', 2), ('TOP', 2), ('TTD', 2), ('TZS', 2), ('UGX', 0), ('USN', 2), ('UYI', 0), ('UYU', 2),
    ('UYW', 4), ('UZS', 2), ('VED', 2), ('VES', 2), ('VUV', 0), ('WST', 2), ('XAD', 2), ('XAF', 0), ('XCD', 2), ('XCG', 2),
    ('XOF', 0), ('XPF', 0), ('YER', 2), ('ZMW', 2), ('ZWG', 2)
ON CONFLICT (code) DO NOTHING;

CREATE TABLE ledger.asset_registration (
    asset_id smallint PRIMARY KEY REFERENCES ledger.asset,
    actor text NOT NULL CHECK (actor ~ '^[A-Za-z0-9:_.@-]{1,64}$'),
    reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 256),
    at timestamptz NOT NULL CHECK (isfinite(at))
);
COMMENT ON TABLE ledger.asset_registration IS 'who registered an asset, when and why; one row for each asset';
INSERT INTO ledger.asset_registration (asset_id, actor, reason, at)
SELECT id, 'dwaybank', 'ISO 4217', now() FROM ledger.asset;

CREATE TRIGGER asset_is_fixed BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.asset
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER asset_registration_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.asset_registration
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- The whole numbers above and below the line of a rate such as 1.0843 or 10843/10000; null when it is no rate.
CREATE FUNCTION ledger.fx_ratio(p_rate text) RETURNS numeric[] LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE WHEN ratio[1] > 0 AND ratio[2] > 0 THEN ratio END
    FROM (
        SELECT CASE
            WHEN p_rate ~ '^[0-9]{1,18}/[0-9]{1,18}$'
            THEN ARRAY[split_part(p_rate, '/', 1)::numeric, split_part(p_rate, '/', 2)::numeric]
            WHEN p_rate ~ '^[0-9]{1,18}(\.[0-9]{1,18})?$'
            THEN ARRAY[
                replace(p_rate, '.', '')::numeric,
                ('1' || repeat('0', char_length(split_part(p_rate, '.', 2))))::numeric
            ]
        END AS ratio
    ) AS parsed
$$;

CREATE TABLE ledger.fx_rate (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    base_id smallint NOT NULL REFERENCES ledger.asset,
    quote_id smallint NOT NULL REFERENCES ledger.asset,
    rate text NOT NULL CHECK (ledger.fx_ratio(rate) IS NOT NULL),
    source text NOT NULL CHECK (source ~ '^[A-Za-z0-9:_.-]{1,64}$'),
    quoted_at timestamptz NOT NULL CHECK (isfinite(quoted_at)),
    received_at timestamptz NOT NULL CHECK (isfinite(received_at)),
    actor text NOT NULL CHECK (actor ~ '^[A-Za-z0-9:_.@-]{1,64}$'),
    CHECK (base_id <> quote_id),
    UNIQUE (base_id, quote_id, source, quoted_at, rate)
);
COMMENT ON TABLE ledger.fx_rate IS 'rates as they were quoted and received; one unit of the base costs so much of the quote';
COMMENT ON COLUMN ledger.fx_rate.rate IS 'decimal or ratio of whole numbers, as it came';
CREATE TRIGGER fx_rate_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.fx_rate
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
