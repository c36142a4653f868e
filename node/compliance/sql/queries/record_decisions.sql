SELECT compliance.record_decisions(%s, %s, %s, %s, %s, %s, %s, %s, %s)
