SELECT record.account_id, record.id, record.change, record.value_day, record.booking_day, record.reference
FROM ledger.external_record AS record
WHERE record.account_id = ANY (%s)
    AND NOT EXISTS (SELECT FROM ledger.match_record WHERE match_record.record_id = record.id AND match_record.live)
    AND NOT EXISTS (
        SELECT FROM ledger.reconciliation_exception AS apart
        WHERE apart.account_id = record.account_id AND apart.kind = 6 AND apart.state IN (1, 2)
            AND record.id = ANY (apart.record_id)
    )
ORDER BY record.id
