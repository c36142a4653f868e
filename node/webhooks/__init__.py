"""Tells the outbox to other systems by HTTP: signed, in order, again and again until it is accepted.

- ``webhooks``: the area as the process and its operators see it;
- ``worker``: who is sent what and when; ``retry``: when to try again, when to give up;
- ``sender``: one attempt; ``target``: whom it may reach; ``signature``: how a receiver knows who sent it;
- ``store``: endpoints and how far each has come; ``secret_files``: their secrets.

What there is to tell, and in which order, is ``ledger.outbox``'s.
"""
