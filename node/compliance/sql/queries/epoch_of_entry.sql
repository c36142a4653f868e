SELECT epoch.number
FROM compliance.epoch
WHERE epoch.from_seq <= %(seq)s AND epoch.to_seq >= %(seq)s
