"""ISO 20022 messages between banks, in and out: credit transfers, status reports, returns, statements, notifications.

Rules it keeps:

- One grammar for each message serves reading and writing, so that what is written is read back equal
  (``grammar``); it allows less than the official schema and nothing more.
- Every element and attribute of a received message is taken or the message is refused, with its full path, the value,
  and the ISO 20022 reason code to answer with; nothing is passed over.
- Money is an integer of minor units of an ISO 4217 currency; IBAN, BIC, LEI and creditor references carry right check
  digits; times name their offset.
- Pure: bytes and values in, bytes and values out. No file, clock or network.

>>> from node.iso20022 import read_message
>>> from node.iso20022.errors import UnacceptableMessageError
>>> try:
...     read_message(b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"/>')
... except UnacceptableMessageError as error:
...     print(error.code, error)
CH21 line 1, Document must hold one FIToFICstmrCdtTrf

Left to others: what becomes of a message (``settlements``, ``statements``), sending it anywhere, and keeping it.
Source: ISO 20022 message definitions of 2019, the set that cross-border payments (CBPR+) use.
"""

from node.iso20022.catalogue import MESSAGE_BYTES_MAX, describe_message, read_message, write_message

__all__ = ["MESSAGE_BYTES_MAX", "describe_message", "read_message", "write_message"]
