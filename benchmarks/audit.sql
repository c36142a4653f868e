-- Rows of the audit index and of disclosed entries, in the form that blocks and bundles give them.

-- One anchor of each member a block.
INSERT INTO log.audit_record
SELECT anchor, member, 'audit',
    'checkpoint~M' || member || 'MSP~' || lpad(((anchor + 1) * %(size)s)::text, 20, '0'),
    'checkpoint', 'M' || member || 'MSP', lpad(to_hex(anchor * %(members)s + member), 64, '0'),
    %(begin)s + anchor * %(anchor_s)s * interval '1 s', anchor * %(size)s + 1, (anchor + 1) * %(size)s,
    'M' || member || 'MSP/Node', '{"root":""}'
FROM generate_series(0, %(anchors)s - 1) AS anchor, generate_series(0, %(members)s - 1) AS member;

-- Each is cosigned by another member in the next block.
INSERT INTO log.audit_record
SELECT block_number + 1, tx_number + 10, 'audit', 'cosignature' || substr(record_key, 11) || '~M9MSP',
    'cosignature', organization, lpad(to_hex(block_number * 64 + tx_number + 32), 64, 'f'),
    recorded_at + interval '1 s', 1, to_seq, 'M9MSP/Node',
    json_build_object('time', extract(epoch FROM recorded_at)::bigint)::text
FROM log.audit_record WHERE kind = 'checkpoint';

-- One entry of so many is disclosed, one of many of those was flagged.
INSERT INTO log.disclosed_entry
SELECT 'M' || member || 'MSP', seq, lpad(to_hex(seq / 1000), 32, '0'), now(), sha256((member || '/' || seq)::bytea),
    at, at, 'S-' || seq, gen_random_uuid(),
    CASE seq / %(every)s %% %(reviewed)s WHEN 0 THEN 'requires_manual_review' ELSE 'automated_approval' END,
    md5(member || '/' || seq), repeat('22', 32), abs(hashint8(seq)) %% 1000000,
    '{"postings":[{"account":"treasury","amount_minor":"1","asset":"EUR","side":"debit"}]}', '\x00'
FROM generate_series(0, %(members)s - 1) AS member,
    (SELECT seq, %(begin)s + seq / %(size)s * %(anchor_s)s * interval '1 s' + seq %% %(size)s * interval '1 ms' AS at
    FROM generate_series(%(every)s, %(entries)s, %(every)s) AS seq) AS entry;

INSERT INTO log.disclosed_posting
SELECT organization, seq, place,
    CASE place WHEN 0 THEN 'treasury' ELSE 'customer:' || abs(hashint8(seq)::bigint) %% %(accounts)s END, 'EUR',
    CASE place WHEN 0 THEN 'debit' ELSE 'credit' END, 1 + abs(hashint8(seq + 1)::bigint) %% 1000000
FROM log.disclosed_entry, generate_series(0, 1) AS place;

-- Three of four flagged ones were decided.
INSERT INTO log.audit_record
SELECT %(anchors)s + 2, row_number() OVER (), 'compliance', 'review~' || decision_id, 'review', organization,
    lpad(to_hex(seq), 64, 'a'), now(), NULL, NULL, 'M' || seq %% 3 || 'MSP/Reviewer',
    '{"decision":"' || CASE seq / %(every)s / %(reviewed)s %% 5 WHEN 0 THEN 'rejected' ELSE 'approved' END || '"}'
FROM log.disclosed_entry
WHERE decision <> 'automated_approval' AND seq / %(every)s / %(reviewed)s %% 4 <> 0
