"""HTTP/2 and gRPC on asyncio's own TLS: the fast transport behind the port of ``network.rpc``.

Reading order: ``frames`` (bytes of a frame) · ``huffman``, ``hpack`` (header compression) · ``connection`` (one
connection, either role) · ``calm`` (what a peer may do for nothing) · ``stream`` (messages and flow control of one
call) · ``heads`` (what gRPC adds to HTTP/2) · ``served_call``, ``server`` · ``made_call``, ``channel`` · ``tls`` ·
``health``.

Source: RFC 9113 (HTTP/2), RFC 7541 (HPACK), gRPC core doc/PROTOCOL-HTTP2.md.
"""
