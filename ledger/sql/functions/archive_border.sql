-- Where the journal begins in this database: up to entry "seq" everything is archived. Nothing archived was posted, or
-- counts for a time, later than latest_at; entry "seq" was posted at posted_until. Zero and null while nothing is archived.
CREATE OR REPLACE FUNCTION ledger.archive_border(
    OUT seq bigint, OUT latest_at timestamptz, OUT posted_until timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT coalesce(max(last_seq), 0), max(latest_at), max(posted_until)
    FROM ledger.archive WHERE restored_at IS NULL
$$;

-- Its plan is kept, which a function in SQL with settings of its own has made anew for each call.
CREATE OR REPLACE FUNCTION ledger.archived_seq() RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    RETURN (SELECT coalesce(max(last_seq), 0) FROM ledger.archive WHERE restored_at IS NULL);
END
$$;

-- The entry that an account's statement back to p_since goes on with, unless it is archived.
CREATE OR REPLACE FUNCTION ledger.live_seq(p_account_id bigint, p_seq bigint, p_since timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_border record := ledger.archive_border();
BEGIN
    IF p_seq BETWEEN 1 AND v_border.seq AND v_border.posted_until >= p_since AND ledger.sees_account(p_account_id) THEN
        PERFORM ledger.refuse_archived('the statement before', p_seq);
    END IF;
    RETURN p_seq;
END
$$;

-- Whether any posting of an account, or of its stripes, is archived.
CREATE OR REPLACE FUNCTION ledger.has_archived(p_account_id bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM ledger.account_opening WHERE account_id = p_account_id
        UNION ALL
        SELECT FROM ledger.account AS stripe
        JOIN ledger.account_opening AS opening ON opening.account_id = stripe.id
        WHERE stripe.stripe_of = p_account_id
    )
$$;

-- Tells a question that only archived entries could answer which file holds them; never answers it with what is left.
-- To a tenant without numbers and names, which are the organization's.
CREATE OR REPLACE FUNCTION ledger.refuse_archived(p_what text, p_seq bigint DEFAULT NULL) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_archive ledger.archive;
BEGIN
    SELECT * INTO STRICT v_archive FROM ledger.archive
    WHERE restored_at IS NULL AND (p_seq IS NULL OR last_seq >= p_seq)
    ORDER BY CASE WHEN p_seq IS NULL THEN -last_seq ELSE last_seq END LIMIT 1;
    IF NOT ledger.sees_all() THEN
        RAISE EXCEPTION '% is archived: ask for times after %', p_what, v_archive.latest_at USING ERRCODE = 'DW005';
    END IF;
    RAISE EXCEPTION '% is archived: entries % to % are in file % (SHA-256 %); ask for times after %, or restore it',
        p_what, v_archive.first_seq, v_archive.last_seq, v_archive.file_name, encode(v_archive.file_sha256, 'hex'),
        to_char(v_archive.latest_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') USING ERRCODE = 'DW005';
END
$$;

-- Tells whoever would read the outbox on from a position that entries after it are archived, if any are.
CREATE OR REPLACE FUNCTION ledger.refuse_archived_position(p_seq bigint) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = ledger, pg_temp AS $$
BEGIN
    IF p_seq < ledger.archived_seq() THEN
        PERFORM ledger.refuse_archived('what came after entry ' || p_seq, p_seq + 1);
    END IF;
END
$$;

-- Tells of the entry of a number, of a key, or of a settlement that it is archived, if it is. Of settlements a tenant is told
-- nothing here: nothing says any more whose an archived one was.
CREATE OR REPLACE FUNCTION ledger.refuse_archived_entry(p_seq bigint, p_key uuid, p_settlement_id text) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_seq bigint := coalesce(p_seq, (SELECT seq FROM ledger.past_key WHERE key = p_key), (
        SELECT min(seq) FROM ledger.past_key WHERE settlement_id = p_settlement_id AND ledger.sees_all()
    ));
BEGIN
    IF v_seq BETWEEN 1 AND ledger.archived_seq() THEN
        PERFORM ledger.refuse_archived(coalesce(
            'entry ' || p_seq, 'the entry under key ' || p_key, 'an entry of settlement ' || p_settlement_id
        ), v_seq);
    END IF;
END
$$;

-- Tells of accounts that postings of theirs are archived, if any are.
CREATE OR REPLACE FUNCTION ledger.refuse_archived_accounts(p_references text[]) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM ledger.refuse_archived('what was posted first to account ' || reference)
    FROM ledger.account
    WHERE reference = ANY (p_references) AND ledger.sees_account(id) AND ledger.has_archived(id);
END
$$;

-- Where archived entries left an account, and the time after which that is the whole; null where none is archived, and for
-- an account that the caller does not see.
CREATE OR REPLACE FUNCTION ledger.opening_of(p_account_id bigint, OUT balance bigint, OUT latest_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT opening.balance, border.latest_at
    FROM ledger.account_opening AS opening
    CROSS JOIN ledger.archive_border() AS border
    WHERE opening.account_id = p_account_id AND ledger.sees_account(p_account_id)
$$;
