SELECT id, url, kinds, account_prefix, secret_name, CASE state WHEN 1 THEN 'active' ELSE 'dead' END, seq, number,
    failures, failing_since, next_attempt_at, coalesce(last_failure, '')
FROM ledger.webhook
ORDER BY id
