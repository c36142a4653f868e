-- Every entry that says it was made at a rate, with what is wrong with it; problem is null when all follows.
-- Judged by the entry's own metadata, which its leaf binds, and by the rates on record.
CREATE OR REPLACE VIEW ledger.rate_audit AS
WITH told AS (
    SELECT seq, pairs ->> 'fx' AS kind, pairs ->> 'fx.pair' AS pair, pairs ->> 'fx.rate' AS rate,
        pairs ->> 'fx.source' AS source, pairs ->> 'fx.quoted_at' AS quoted_at, pairs ->> 'fx.rounding' AS rounding,
        pairs ->> 'fx.given' AS given, pairs ->> 'fx.position_amount' AS position_amount, pairs ->> 'fx.carried' AS carried
    FROM ledger.metadata
    WHERE pairs @> '{"fx": "exchange"}' OR pairs @> '{"fx": "revaluation"}'
), leg AS (
    SELECT posting.seq, asset.code AS asset, count(*) AS legs, min(abs(posting.amount)) AS least,
        max(abs(posting.amount)) AS amount
    FROM (
        -- Of a striped account the parts that its stripes bear are one posting.
        SELECT part.seq, part.asset_id, sum(part.amount)::bigint AS amount
        FROM ledger.signed_posting AS part
        JOIN ledger.account ON account.id = part.account_id
        WHERE part.seq IN (SELECT told.seq FROM told)
        GROUP BY part.seq, part.asset_id, coalesce(account.stripe_of, account.id)
    ) AS posting
    JOIN ledger.asset ON asset.id = posting.asset_id
    GROUP BY posting.seq, asset.code
), entry AS (
    SELECT told.*, base.code AS base, quote.code AS quote,
        (SELECT array_agg(leg.asset ORDER BY leg.asset) FROM leg WHERE leg.seq = told.seq) AS assets,
        EXISTS (SELECT FROM leg WHERE leg.seq = told.seq AND (leg.legs <> 2 OR leg.least <> leg.amount)) AS misshapen,
        base_leg.amount AS base_amount, quote_leg.amount AS quote_amount,
        CASE told.kind
            WHEN 'exchange' THEN ledger.fx_convert(
                CASE told.given WHEN base.code THEN base_leg.amount WHEN quote.code THEN quote_leg.amount END, told.rate,
                told.given = quote.code, CASE told.given WHEN base.code THEN base.scale ELSE quote.scale END,
                CASE told.given WHEN base.code THEN quote.scale ELSE base.scale END, told.rounding
            )
            ELSE abs(
                ledger.fx_convert(
                    CASE WHEN told.position_amount ~ '^-?[0-9]{1,19}$' THEN told.position_amount::numeric END, told.rate,
                    false, base.scale, quote.scale, told.rounding
                ) - CASE WHEN told.carried ~ '^-?[0-9]{1,19}$' THEN told.carried::numeric END
            )
        END AS expected,
        CASE WHEN told.kind = 'exchange' AND told.given = quote.code THEN base_leg.amount ELSE quote_leg.amount END AS found,
        EXISTS (
            SELECT FROM ledger.fx_rate AS known
            WHERE known.base_id = base.id AND known.quote_id = quote.id AND known.source = told.source
                AND known.rate = told.rate
                AND to_char(known.quoted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') = told.quoted_at
        ) AS on_record
    FROM told
    LEFT JOIN ledger.asset AS base ON base.code = split_part(told.pair, '/', 1)
    LEFT JOIN ledger.asset AS quote ON quote.code = split_part(told.pair, '/', 2)
    LEFT JOIN leg AS base_leg ON base_leg.seq = told.seq AND base_leg.asset = base.code
    LEFT JOIN leg AS quote_leg ON quote_leg.seq = told.seq AND quote_leg.asset = quote.code
)
SELECT seq, kind, pair, rate, source, quoted_at, rounding, given, base_amount, quote_amount,
    CASE
        WHEN misshapen OR assets IS DISTINCT FROM
            CASE kind WHEN 'exchange' THEN ARRAY[least(base, quote), greatest(base, quote)] ELSE ARRAY[quote] END
            THEN 'its postings are not those of its kind and pair'
        WHEN expected IS NULL THEN 'its rate, rounding or amounts are malformed or missing'
        WHEN expected <> found THEN 'its amount is ' || found || ', the rate gives ' || expected
        WHEN NOT on_record THEN 'its rate is not on record'
    END AS problem
FROM entry;
