"""A Hyperledger Fabric peer over PostgreSQL: endorses, pulls ordered blocks, validates, commits, answers clients."""
