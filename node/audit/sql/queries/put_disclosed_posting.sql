INSERT INTO log.disclosed_posting (organization, seq, place, account, asset, side, amount)
VALUES (%s, %s, %s, %s, %s, %s, %s)
