"""Which blocks a request for blocks spans. Method: requests as a Go peer was asked them, with what it sent."""

from __future__ import annotations

import pytest
from fabric_protos.orderer import ab_pb2

from network.errors import SeekRefusedError
from network.policy import SignedData
from network.seek import NEVER, SeekRequest

HEIGHT = 5
OLDEST = ab_pb2.SeekPosition(oldest=ab_pb2.SeekOldest())
NEWEST = ab_pb2.SeekPosition(newest=ab_pb2.SeekNewest())
NEXT = ab_pb2.SeekPosition(next_commit=ab_pb2.SeekNextCommit())
THIRD = ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=3))


@pytest.mark.parametrize(
    ("start", "stop", "span"),
    [
        (OLDEST, NEWEST, (0, 4)),
        (NEWEST, NEWEST, (4, 4)),
        (THIRD, OLDEST, (3, 3)),
        (NEXT, THIRD, None),
        (OLDEST, NEXT, (0, 0)),
        (OLDEST, ab_pb2.SeekPosition(), (0, 0)),
        (THIRD, NEXT, (3, NEVER)),
        (NEWEST, ab_pb2.SeekPosition(), (4, NEVER)),
    ],
)
def test_request_spans_the_blocks_that_fabric_sends(
    start: ab_pb2.SeekPosition, stop: ab_pb2.SeekPosition, span: tuple[int, int] | None
) -> None:
    request = SeekRequest("anchors", SignedData(b"", b"", b""), ab_pb2.SeekInfo(start=start, stop=stop))
    if span is None:
        with pytest.raises(SeekRefusedError, match="start number 5 greater than stop number 3"):
            request.span(HEIGHT)
    else:
        assert request.span(HEIGHT) == span
