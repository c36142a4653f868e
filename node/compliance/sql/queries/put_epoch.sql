INSERT INTO compliance.epoch (number, from_seq, to_seq, root, rule_set_id)
VALUES (%(number)s, %(from_seq)s, %(to_seq)s, %(root)s, %(rule_set_id)s)
