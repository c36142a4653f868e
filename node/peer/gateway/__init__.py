"""The Gateway service: what Fabric's client libraries talk to, one file for each call."""
