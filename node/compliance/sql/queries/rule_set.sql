SELECT rule_set.hash FROM compliance.rule_set WHERE rule_set.id = %(id)s
