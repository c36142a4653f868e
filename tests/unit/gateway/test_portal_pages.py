"""What pages are made of: how members stand, a path as a picture, amounts and times; and markup in any of it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from jinja2 import UndefinedError

from gateway.config import Organization
from gateway.portal.found import shown_entry
from gateway.portal.path_picture import Path, draw_path, path_of
from gateway.portal.rendering import Pages, ago, minor, short, utc
from gateway.portal.standing import chart_of, standing_of
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
MARKUP = "<script>alert(1)</script>"


def stamp(moment: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(moment)
    return found


def anchor(size: int, seconds: float) -> pb.AuditRecord:
    at = stamp(NOON + timedelta(seconds=seconds))
    return pb.AuditRecord(kind="checkpoint", to_seq=size, block_number=size, recorded_at=at, body_json="{}")


def cosignature(size: int, seconds: float) -> pb.AuditRecord:
    at = stamp(NOON + timedelta(seconds=seconds))
    return pb.AuditRecord(kind="cosignature", recorded_at=at, body_json=json.dumps({"size": size, "witness": "B"}))


def test_a_members_lag_is_to_the_first_cosignature_of_each_anchor() -> None:
    anchors = [anchor(9, 20), anchor(5, 10), anchor(2, 0)]
    cosignatures = [cosignature(5, 14), cosignature(5, 11), cosignature(2, 0.5)]
    standing = standing_of("A", anchors, cosignatures, NOON + timedelta(seconds=50))
    assert [(lag.anchored_at, lag.seconds) for lag in standing.lags] == [
        (NOON, 0.5),
        (NOON + timedelta(seconds=10), 1.0),
    ]
    assert (standing.anchored, standing.attested, standing.age_s, standing.lag_p95_s) == (9, 5, 30.0, 1.0)


def test_a_member_that_never_anchored_stands_at_nought() -> None:
    standing = standing_of("A", [], [], NOON)
    assert (standing.anchored, standing.attested, standing.anchored_at, standing.lag_p95_s) == (0, 0, None, None)


def test_the_chart_has_one_series_for_each_member_over_common_times() -> None:
    first = standing_of("A", [anchor(2, 0)], [cosignature(2, 1)], NOON)
    second = standing_of("B", [anchor(7, 5)], [cosignature(7, 7)], NOON)
    assert chart_of([first, second, standing_of("C", [], [], NOON)]) == {
        "times": [NOON.timestamp(), NOON.timestamp() + 5],
        "series": [{"name": "A", "values": [1.0, None]}, {"name": "B", "values": [None, 2.0]}],
    }


def entry(**changes: object) -> pb.FoundEntry:
    return pb.FoundEntry(
        organization="DwaybankMSP", seq=17, block_number=3, transaction_id="ab" * 32, anchored_at=stamp(NOON),
        signer="DwaybankMSP/Node@dwaybank.test", state="attested", **changes,
    )  # fmt: skip


def test_the_path_says_what_is_proved_here_and_what_is_not() -> None:
    steps = path_of(shown_entry(entry()), Path(20, "root", ("RegulatorMSP",)))
    assert [step.is_done for step in steps] == [False, True, True, True, True, True]
    assert "not disclosed" in steps[0].whole
    alone = path_of(shown_entry(entry()), Path(20, "root", ()))
    assert not alone[-1].is_done
    fields = {"posted_at": NOON.isoformat(), "postings": []}
    assert path_of(shown_entry(entry(fields_json=json.dumps(fields))), Path(20, "root", ()))[0].is_done


def test_boxes_of_the_picture_do_not_touch_and_stand_inside_it() -> None:
    picture = draw_path(path_of(shown_entry(entry()), Path(20, "root", ("A", "B", "C"))))
    places = [(box.x, box.y) for box in picture.boxes]
    assert len(set(places)) == len(places) == 6
    assert all(box.x > 0 and box.x + 186 < picture.width and box.y + 96 < picture.height for box in picture.boxes)
    assert [bool(box.arrow) for box in picture.boxes] == [True] * 5 + [False]


@pytest.mark.parametrize(
    ("amount", "scale", "text"),
    [("12345", 2, "123.45"), ("5", 2, "0.05"), ("-5", 2, "-0.05"), ("0", 0, "0"), ("7", 0, "7"),
     ("1", 18, "0." + "0" * 17 + "1")],
)  # fmt: skip
def test_minor_units_are_written_as_people_do(amount: str, scale: int, text: str) -> None:
    assert minor(amount, scale) == text


def test_times_ages_and_hashes_are_short() -> None:
    assert utc(stamp(NOON)) == utc(NOON) == utc(NOON.isoformat()) == "2026-11-29 12:00:00 UTC"
    assert [ago(seconds) for seconds in (-1, 2.25, 90, 300, 7_200, 172_800)] == [
        "0.0 s", "2.2 s", "90 s", "5 min", "2 h", "2 d",
    ]  # fmt: skip
    assert (short("a" * 13), short("a" * 14)) == ("a" * 13, "a" * 12 + "…")


def test_a_page_escapes_every_value_and_stops_at_one_that_is_missing() -> None:
    pages = Pages(Organization(msp_id="RegulatorMSP", display_name=MARKUP), {})
    html = bytes(pages.refusal(422, MARKUP).body).decode()
    assert MARKUP not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3
    with pytest.raises(UndefinedError):
        pages.response("error.html", visit=None)


def test_the_picture_stays_a_picture_whatever_a_member_is_called() -> None:
    pages = Pages(Organization(msp_id="RegulatorMSP", display_name="Regulator"), {"DwaybankMSP": MARKUP})
    steps = path_of(shown_entry(entry()), Path(20, MARKUP, ('"/><script>', "]]>")))
    shown = shown_entry(entry())
    html = bytes(
        pages.response("entry.html", visit=None, shown=shown, details=[], steps=steps, picture=draw_path(steps)).body
    ).decode()
    picture = html[html.index("<svg") : html.index("</svg>") + 6]
    assert ElementTree.fromstring(picture).find("script") is None
    assert "<script>" not in html
