"""What all members of a channel agree on: wire forms, identities, policies, channel configuration and proofs.

Pure rules, bytes in and trusted values or errors out; only ``crypto_material``, ``client``, ``operations`` and ``rpc``
do I/O. Imports no other room of this project.
"""
