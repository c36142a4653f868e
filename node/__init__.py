"""The running processes of one organization: peer, orderer, books, anchoring, audit, partner, and the command line."""
