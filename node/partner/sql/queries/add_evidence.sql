INSERT INTO partner.evidence (sender_msp_id, settlement_id, kind, payload, creator, signature, received_at)
VALUES (%(sender_msp_id)s, %(settlement_id)s, %(kind)s, %(payload)s, %(creator)s, %(signature)s, %(received_at)s)
