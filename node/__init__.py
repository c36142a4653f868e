"""The running processes of one organization: peer, orderer, books, anchoring, audit and partner services, and the command line."""
