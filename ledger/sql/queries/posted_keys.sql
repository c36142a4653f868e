-- Those keys under which an entry stands; entries of archived times are not looked at.
SELECT entry.key FROM ledger.entry WHERE entry.key = ANY (%(keys)s)
