"""The posting engine of an organization: callers' requests collected into batches, and the gRPC service in front.

- ``collector``: one line of work for the one writer; what waits becomes the next batch;
- ``books``: everything other parts of the node ask of the books, as coroutines;
- ``ledger_service``: the same for the gateway and the command line, bytes to bytes.

The books themselves, their rules and their tables are ``ledger``'s.
"""
