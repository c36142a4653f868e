INSERT INTO partner.dispute_statement (commitment, salt, statement, kept_at)
VALUES (%(commitment)s, %(salt)s, %(statement)s, %(now)s)
ON CONFLICT (commitment) DO NOTHING
