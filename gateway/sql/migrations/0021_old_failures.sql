-- Log-ins that fail for ever new e-mail addresses must not fill the disk: old failures are found by their time alone.
CREATE INDEX login_failure_time ON gateway.login_failure (failed_at);
