-- How many disclosed entries posted within a time have no worth: none could be had, or their decisions were not disclosed.
SELECT count(*) FROM log.disclosed_entry
WHERE worth IS NULL AND posted_at >= %(begins_at)s AND posted_at < %(ends_at)s
