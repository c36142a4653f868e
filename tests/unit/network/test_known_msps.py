"""The same configuration gives the same MSP, any other one of its own; what is too large is not kept."""

from __future__ import annotations

import pytest

from network.errors import ConfigError
from network.known_msps import KNOWN_BYTES_MAX, msp_of
from tests.support.members import Member, pem


def test_same_configuration_gives_the_same_msp_and_every_other_its_own() -> None:
    member = Member("AMSP")
    config = member.config()
    assert msp_of(config, ed25519=True) is msp_of(bytes(bytearray(config)), ed25519=True)
    assert msp_of(config, ed25519=False) is not msp_of(config, ed25519=True)
    assert msp_of(member.config(admins=[pem(member.identity("admin").certificate)]), ed25519=True) is not msp_of(
        config, ed25519=True
    )


def test_large_configuration_is_not_kept() -> None:
    member = Member("AMSP")
    config = member.config(tls_root_certs=[pem(member.authority.certificate) + b"x" * KNOWN_BYTES_MAX])
    assert msp_of(config, ed25519=True) is not msp_of(config, ed25519=True)


def test_configuration_that_is_refused_is_refused_again() -> None:
    for _ in range(2):
        with pytest.raises(ConfigError):
            msp_of(b"no configuration", ed25519=True)
