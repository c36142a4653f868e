"""Passkeys (WebAuthn): what a browser is asked, and whether its answer is good. Keys and counters the node keeps.

Rules: a challenge counts once; the key must have verified its user (finger, face or PIN), not only have been touched;
a counter that does not grow is refused here, and again by the node, which decides when two answers come at once.

Source: W3C Web Authentication Level 3, 7.1 and 7.2.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    UserVerificationRequirement,
)

from gateway.errors import CredentialsError
from network.pb.dwaybank.audit.v1 import portal_pb2 as pb

ANSWER_LENGTH_MAX = 16_384

_FAULTS = (WebAuthnException, ValueError, KeyError, TypeError, EOFError, RecursionError)
"""What the library raises for bytes of strangers: its own errors, and those of the parsers below it."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The portal, as authenticators know it.

    Args:
        rp_id: host name under which passkeys are made.
        name: for people.
    """

    rp_id: str
    name: str

    def registration(self, person: str, user_id: bytes, challenge: bytes) -> str:
        """Return what a browser is asked to make a passkey (JSON)."""
        options = generate_registration_options(
            rp_id=self.rp_id,
            rp_name=self.name,
            user_name=person,
            user_id=user_id,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                user_verification=UserVerificationRequirement.REQUIRED
            ),
        )
        return options_to_json(options)

    def authentication(self, passkeys: Sequence[pb.Passkey], challenge: bytes) -> str:
        """Return what a browser is asked to sign with one of these passkeys (JSON)."""
        options = generate_authentication_options(
            rp_id=self.rp_id,
            challenge=challenge,
            allow_credentials=[PublicKeyCredentialDescriptor(id=passkey.credential_id) for passkey in passkeys],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json(options)

    def registered(self, answer: str, challenge: bytes, origin: str) -> pb.Passkey:
        """Return the passkey that a browser made; its person and label are left to the caller.

        Raises:
            CredentialsError: the answer is not good.
        """
        try:
            made = verify_registration_response(
                credential=_object(answer),
                expected_challenge=challenge,
                expected_rp_id=self.rp_id,
                expected_origin=origin,
                require_user_verification=True,
            )
        except _FAULTS as error:
            raise CredentialsError(f"the passkey was not made as asked: {_reason(error)}") from error
        return pb.Passkey(
            credential_id=made.credential_id, public_key=made.credential_public_key, sign_count=made.sign_count
        )

    def signed(self, answer: str, challenge: bytes, origin: str, passkeys: Sequence[pb.Passkey]) -> pb.Passkey:
        """Return the passkey that signed, with its new counter.

        Raises:
            CredentialsError: none of these signed this challenge here, or its counter did not grow.
        """
        try:
            told = _object(answer)
            credential_id = base64url_to_bytes(str(told["id"]))
            passkey = next((each for each in passkeys if each.credential_id == credential_id), None)
            if passkey is None:
                raise CredentialsError("this passkey is not one of yours")
            signed = verify_authentication_response(
                credential=told,
                expected_challenge=challenge,
                expected_rp_id=self.rp_id,
                expected_origin=origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        except _FAULTS as error:
            raise CredentialsError(f"the passkey did not sign as asked: {_reason(error)}") from error
        return pb.Passkey(credential_id=credential_id, sign_count=signed.new_sign_count)


def _object(answer: str) -> dict[str, Any]:
    told = json.loads(answer)
    if not isinstance(told, dict):
        raise ValueError("the answer is no JSON object")
    return told


def _reason(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
