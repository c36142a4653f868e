"""Aim: whatever bytes arrive as a creator, certificate, MSP or configuration, the answer is one of our own errors.

Method: real ones with a few bytes changed, dropped or added at random places. A foreign exception fails the test.
"""

from __future__ import annotations

import base64
import contextlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from network.channel_config import ChannelConfig, config_of_block
from network.errors import ConfigError, IdentityError, WireError
from network.identity import serialize_identity
from network.msp import Msp, MspManager
from tests.support.captured import captured
from tests.support.members import Member

MEMBER = Member("AMSP")
MSPS = MspManager([MEMBER.msp()])
SIGNER = MEMBER.identity("client")
DER = SIGNER.certificate.public_bytes(serialization.Encoding.DER)
CRL = x509.load_pem_x509_crl(MEMBER.crl(SIGNER.certificate)).public_bytes(serialization.Encoding.DER)
GENESIS = config_of_block(captured("raft").block(0))[1]

pytestmark = [
    pytest.mark.filterwarnings("ignore:Parsed a serial number"),
    pytest.mark.filterwarnings("ignore:Attribute's length"),
]


@st.composite
def altered(draw: st.DrawFn, original: bytes) -> bytes:
    changed = bytearray(original)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(changed) - 1))
        changed[start : start + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(changed)


@given(altered(SIGNER.creator))
def test_altered_creator_is_read_or_refused(creator: bytes) -> None:
    with contextlib.suppress(IdentityError, WireError):
        MSPS.identity(creator)


@given(altered(DER))
def test_altered_certificate_is_never_a_member_unless_it_is_the_same_text(der: bytes) -> None:
    text = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
    with contextlib.suppress(IdentityError):
        identity = MSPS.identity(serialize_identity("AMSP", text))
        assert identity.certificate.signed == SIGNER.certificate.tbs_certificate_bytes


@given(altered(CRL))
def test_altered_revocation_list_is_read_or_refused(crl: bytes) -> None:
    with contextlib.suppress(ConfigError, IdentityError):
        msp = Msp.from_config(MEMBER.config(revocation_list=[crl]))
        msp.validate(msp.deserialize(SIGNER.creator))


@given(altered(MEMBER.config()))
def test_altered_msp_is_read_or_refused(config: bytes) -> None:
    with contextlib.suppress(ConfigError):
        Msp.from_config(config)


@given(altered(GENESIS))
def test_altered_configuration_is_read_or_refused(envelope: bytes) -> None:
    with contextlib.suppress(ConfigError):
        ChannelConfig.from_envelope(envelope, "anchors")
