SELECT sealed FROM log.disclosed_detail WHERE organization = %s AND seq = %s ORDER BY disclosed_at DESC, demand_id
