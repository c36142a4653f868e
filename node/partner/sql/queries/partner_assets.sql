SELECT DISTINCT receiver_msp_id, asset FROM partner.outgoing
UNION
SELECT DISTINCT sender_msp_id, asset FROM partner.incoming
ORDER BY 1, 2
