-- Days that reports of a kind begin on, of those that were made after the day had ended.
SELECT (signature::jsonb -> 'statement' ->> 'begins_at')::timestamptz
FROM log.report
WHERE kind = %s
    AND (signature::jsonb -> 'statement' ->> 'ends_at')::timestamptz <= made_at
    AND (signature::jsonb -> 'statement' ->> 'ends_at')::timestamptz
    - (signature::jsonb -> 'statement' ->> 'begins_at')::timestamptz = interval '1 day'
    AND made_at > %s
