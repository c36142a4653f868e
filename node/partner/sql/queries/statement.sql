SELECT salt, statement
FROM partner.dispute_statement
WHERE commitment = %(commitment)s
