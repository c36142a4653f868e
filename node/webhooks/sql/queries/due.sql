SELECT id, url, kinds, account_prefix, secret_name, CASE state WHEN 1 THEN 'active' ELSE 'dead' END, seq, number,
    failures, failing_since, next_attempt_at, coalesce(last_failure, '')
FROM ledger.webhook
WHERE state = 1 AND (next_attempt_at IS NULL OR next_attempt_at <= %s) AND (
    (cardinality(kinds) = 0 OR 'entry.posted' = ANY (kinds)) AND seq < (SELECT max(entry.seq) FROM ledger.entry)
    OR EXISTS (SELECT FROM ledger.event WHERE (event.after_seq, event.number) > (webhook.seq, webhook.number))
    OR EXISTS (SELECT FROM ledger.event_run WHERE (last_seq, last_number) > (webhook.seq, webhook.number))
)
ORDER BY id
