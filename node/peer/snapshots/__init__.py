"""Ledger snapshots in Fabric's format: made at exactly one block, verified, and begun a channel from."""
