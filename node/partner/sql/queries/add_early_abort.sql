-- Keeps the Abort of a settlement that no Prepare came for yet, once.
INSERT INTO partner.evidence (sender_msp_id, settlement_id, kind, payload, creator, signature, received_at)
SELECT %(sender_msp_id)s, %(settlement_id)s, %(kind)s, %(payload)s, %(creator)s, %(signature)s, %(received_at)s
WHERE NOT EXISTS (
    SELECT FROM partner.evidence
    WHERE sender_msp_id = %(sender_msp_id)s AND settlement_id = %(settlement_id)s AND kind = %(kind)s
)
