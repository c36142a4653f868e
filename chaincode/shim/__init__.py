"""The runtime between a contract and a peer: Fabric's chaincode stub, over the wire or in the peer's own process."""
