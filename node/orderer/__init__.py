"""The embedded ordering service: Fabric's AtomicBroadcast API over one append-only block file for each channel.

It is a single node by design: no consensus protocol of our own. A consortium that must survive the loss of its
orderer runs Fabric's Raft or SmartBFT ordering service in its place; peers and clients do not notice.
"""
