SELECT epoch.number, epoch.from_seq, epoch.to_seq, epoch.root, rule_set.hash
FROM compliance.epoch
JOIN compliance.rule_set ON rule_set.id = epoch.rule_set_id
WHERE epoch.number = %(number)s
