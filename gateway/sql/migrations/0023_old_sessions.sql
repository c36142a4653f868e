-- Who logs in and never comes back must not leave a session for ever: expired refresh tokens are found by their time
-- alone.
CREATE INDEX refresh_token_expiry ON gateway.refresh_token (expires_at);
