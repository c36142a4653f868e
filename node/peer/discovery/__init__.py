"""``discovery.Discovery``: tells clients who is on a channel, and whose endorsements a transaction needs."""
