"""What an operator does to a peer's ledger while the peer does not run."""
