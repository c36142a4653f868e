SELECT block_number, tx_number, kind, name FROM log.landmark WHERE block_number <= %s ORDER BY block_number, tx_number
