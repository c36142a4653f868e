"""What the chaincodes that are part of every peer share: their names, their answers, who of the own members may call.

Source: Fabric core/scc, core/policy/policy.go (CheckPolicyNoChannel), core/aclmgmt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from network.channel_acl import CHANNEL_DEFAULTS, LOCAL_ROLES
from network.errors import IdentityError, SignatureError, WireError
from network.identity import Identity
from network.msp import Msp
from network.policy import SignedData
from network.policy_dsl import role_principal
from network.proposal import ParsedProposal
from network.seek import TIME_WINDOW
from node.peer.chaincode_definition import LIFECYCLE
from node.peer.errors import ChaincodeError, PeerError
from node.peer.signature_checks import SignatureChecks

QSCC = "qscc"
CSCC = "cscc"

SYSTEM_CHAINCODES = (LIFECYCLE, QSCC, CSCC)
"""Chaincodes that are part of every peer."""

SYSTEM_VERSION = "syscc"
"""Version that stands in transactions of system chaincodes."""

OK = 200
NOT_FOUND = 404
FAILED = 500

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""What a proposal without a timestamp says by Fabric's account."""

_NO_TEXT = (
    "error in simulation: transaction returned with failure: failed to marshal response: string field contains invalid "
    "UTF-8"
)

_POLICIES = {"admin": "Admins", "member": "Members"}
"""Fabric's names for the roles of the own organization."""


class _Words(NamedTuple):
    """How Fabric begins to say that somebody may not."""

    unreadable: str
    another: str


_OF_PROPOSER = _Words("Failed deserializing proposal creator", "Failed verifying that proposal's creator satisfies")
_OF_SIGNER = _Words(
    "failed deserializing signed data identity", "failed verifying that the signed data identity satisfies"
)


class ProposalRefusedError(PeerError):
    """The proposal itself is unacceptable: nothing was run."""


class ProposalFilteredError(ProposalRefusedError):
    """It is not looked at: its creator's certificate or its time is over, or is not yet. Gateways ask another peer."""


@dataclass(frozen=True, slots=True)
class SystemResponse:
    """What a system chaincode answers: a status as in HTTP, a text for people, a payload."""

    status: int
    message: str = ""
    payload: bytes = b""


def text_of(argument: bytes) -> str:
    """Return an argument as text; what is no UTF-8 in it stays, and is told to nobody (``failure``)."""
    return argument.decode(errors="surrogateescape")


def failure(text: str) -> SystemResponse:
    """Return the answer that something is refused.

    Args:
        text: why; a Go peer can give no answer with a text that is no UTF-8, and says that.
    """
    return SystemResponse(FAILED, text if is_text(text) else _NO_TEXT)


def is_text(text: str) -> bool:
    """Tell whether what :func:`text_of` gave is UTF-8 throughout."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def refused_to_chaincodes(chaincode: str, caller: str) -> SystemResponse:
    """Return what a system chaincode answers that a chaincode calls.

    Args:
        caller: the chaincode that was proposed.
    """
    reason = " because of potential for deadlocks" if chaincode == QSCC else ""
    text = f"Rejecting invoke of {chaincode.upper()} from another chaincode{reason}, original invocation for '{caller}'"
    return SystemResponse(FAILED, text)


class LocalMembers:
    """The peer's own organization as its folder describes it, for what concerns the peer rather than a channel.

    Args:
        msp: the organization.
        now: UTC clock, for the expiry of certificates.
        checks: of callers' signatures.
    """

    def __init__(self, msp: Msp, now: Callable[[], datetime], checks: SignatureChecks) -> None:
        self.msp_id = msp.msp_id
        self._msp = msp
        self._now = now
        self._checks = checks

    async def creator(self, proposal: ParsedProposal) -> Identity:
        """Return the creator of a proposal without a channel; it must be a member, and the signature must hold.

        Raises:
            ProposalRefusedError: it is not, or does not.
        """
        now, verify = self._now(), self._checks.verify
        return await verified_creator(proposal, now, self._msp.deserialize, self._msp.validate, verify)

    def check_time(self, claimed: datetime | None) -> None:
        """Refuse a proposal of another time than about now.

        Raises:
            ProposalFilteredError: in Fabric's words.
        """
        _check_time(claimed or _NO_TIME, self._now())

    def authorize(self, resource: str, creator: bytes) -> None:
        """Require the role that guards a resource of the peer.

        Raises:
            ChaincodeError: the creator does not play it, or a channel's policy guards this.
        """
        if role := LOCAL_ROLES.get(resource):
            self._require_role(role, creator, _OF_PROPOSER)
            return
        policy = CHANNEL_DEFAULTS.get(resource)
        if policy is None:
            raise ChaincodeError(f"Unmapped policy for {resource}")
        self._identity(policy, creator, _OF_PROPOSER)
        raise ChaincodeError(
            f"Failed getting local MSP principal during channelless check policy with policy [{policy}]: "
            f"[MSP Principal role [{policy}] not recognized]"
        )

    def authorize_signed(self, role: str, signed: SignedData) -> None:
        """Require that somebody of this role signed something.

        Raises:
            ChaincodeError: the signer does not play the role, or did not sign this.
        """
        identity = self._require_role(role, signed.creator, _OF_SIGNER)
        try:
            identity.verify(signed.data, signed.signature)
        except SignatureError as error:
            empty = "could not determine the validity of the signature: Invalid signature. Cannot be empty."
            raise ChaincodeError("The signature is invalid" if signed.signature else empty) from error

    def _identity(self, policy: str, creator: bytes, words: _Words) -> Identity:
        try:
            identity = self._msp.deserialize(creator)
            self._validate(identity)
        except (IdentityError, WireError) as error:
            reason = f"{words.unreadable} during channelless check policy with policy [{policy}]: [{error}]"
            raise ChaincodeError(reason) from error
        return identity

    def _require_role(self, role: str, creator: bytes, words: _Words) -> Identity:
        policy = _POLICIES[role]
        identity = self._identity(policy, creator, words)
        try:
            self._msp.satisfies_principal(identity, role_principal(self.msp_id, role))
        except IdentityError as error:
            reason = (
                f"{words.another} local MSP principal during channelless check policy with policy [{policy}]: [{error}]"
            )
            raise ChaincodeError(reason) from error
        return identity

    def _validate(self, identity: Identity) -> None:
        self._msp.validate(identity, self._now())


async def verified_creator(
    proposal: ParsedProposal,
    now: datetime,
    deserialize: Callable[[bytes], Identity],
    validate: Callable[[Identity, datetime], None],
    verify: Callable[[Identity, bytes, bytes], Awaitable[None]],
) -> Identity:
    """Return a proposal's creator, known, valid and its signature holding; the proposal must be of about now.

    Args:
        now: this peer's time, UTC.
        deserialize, validate: of the channel's MSPs, or of the own organization's.
        verify: checks that an identity made a signature over a message.
    Raises:
        ProposalRefusedError: in Fabric's words, which tell no more than they must.
    Source: Fabric core/endorser/msgvalidation.go, Validate; core/handlers/auth/filter/{expiration,timewindow}.go.
    """
    _check_time(proposal.timestamp or _NO_TIME, now)
    if not proposal.signature:
        raise ProposalRefusedError("error validating proposal: empty signature bytes")
    denied = f"error validating proposal: access denied: channel [{proposal.channel_id}] creator org"
    try:
        identity = deserialize(proposal.creator)
    except (IdentityError, WireError) as error:
        raise ProposalRefusedError(f"{denied} unknown, creator is malformed") from error
    if now > identity.certificate.not_valid_after_utc:
        raise ProposalFilteredError("proposal client identity expired")
    try:
        validate(identity, now)
        await verify(identity, proposal.proposal_bytes, proposal.signature)
    except (IdentityError, SignatureError) as error:
        raise ProposalRefusedError(f"{denied} [{identity.msp_id}]") from error
    return identity


def _check_time(claimed: datetime, now: datetime) -> None:
    """Refuse a proposal of another time: contracts take the time it claims for the time of the transaction."""
    if abs(now - claimed) > TIME_WINDOW:
        told, own = (time.strftime("%Y-%m-%dT%H:%M:%SZ") for time in (claimed, now))
        window = f"{int(TIME_WINDOW.total_seconds()) // 60}m0s"
        raise ProposalFilteredError(
            f"request unauthorized due to incorrect timestamp {told}, peer time {own}, "
            f"peer.authentication.timewindow {window}"
        )
