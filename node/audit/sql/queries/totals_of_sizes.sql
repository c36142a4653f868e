SELECT size, totals FROM log.opened_totals WHERE organization = %s AND size = ANY (%s)
