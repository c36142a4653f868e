"""Who the customer is: passwords, access tokens, refresh tokens."""
