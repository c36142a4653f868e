SELECT account, customer_id, display_name, email, status, opened_at FROM gateway.customers_of(%s, %s)
