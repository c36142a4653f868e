SELECT sender_msp_id, settlement_id
FROM partner.incoming
WHERE state = 'prepared' AND completing
ORDER BY changed_at
LIMIT %(count_max)s
