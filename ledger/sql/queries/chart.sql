SELECT ledger.chart_document(id), enforced, version FROM ledger.book WHERE code = %s
