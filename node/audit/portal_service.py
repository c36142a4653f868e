"""``dwaybank.audit.v1.PortalService``: what the organization's portal keeps here, and the channel's members."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from fabric_protos.msp import msp_config_pb2

from network.go_certificate import Certificate
from network.go_revocation import RevocationList
from network.identity import parse_certificate
from network.msp import Msp
from network.pb.dwaybank.audit.v1 import portal_pb2 as pb
from network.rpc import Server
from node.access import Members
from node.audit.cases import Case, CaseItem, Cases, is_closed
from node.audit.errors import BadRequestError
from node.audit.passkeys import Passkey, Passkeys
from node.audit.serving import Serving, acting, number, text, timestamp

SERVICE = "dwaybank.audit.v1.PortalService"


class PortalService:
    """Serves the portal.

    Args:
        cases, passkeys: what is kept.
        msps: the channel's organizations as its configuration has them now.
        members: tells who calls.
        now: the clock, UTC.
    """

    def __init__(
        self,
        cases: Cases,
        passkeys: Passkeys,
        msps: Callable[[], Iterable[Msp]],
        members: Members,
        now: Callable[[], datetime],
    ) -> None:
        self._cases = cases
        self._passkeys = passkeys
        self._msps = msps
        self._members = members
        self._now = now

    def register(self, server: Server) -> None:
        """Offer all methods."""
        serving = Serving(server, self._members, SERVICE)
        serving.own("ListMembers", pb.ListMembersRequest, self._list_members)
        serving.own_users("OpenCase", pb.OpenCaseRequest, self._open_case)
        serving.own("ListCases", pb.ListCasesRequest, self._list_cases)
        serving.own("GetCase", pb.GetCaseRequest, self._get_case)
        serving.own_users("AddToCase", pb.AddToCaseRequest, self._add_to_case)
        serving.own("AddPasskey", pb.AddPasskeyRequest, self._add_passkey)
        serving.own("ListPasskeys", pb.ListPasskeysRequest, self._list_passkeys)
        serving.own("UsePasskey", pb.UsePasskeyRequest, self._use_passkey)
        serving.own("DropPasskey", pb.DropPasskeyRequest, self._drop_passkey)

    async def _list_members(self, request: pb.ListMembersRequest) -> pb.ListMembersResponse:
        del request
        return pb.ListMembersResponse(
            members=[_member(msp) for msp in sorted(self._msps(), key=lambda msp: msp.msp_id)]
        )

    async def _open_case(self, user: str, request: pb.OpenCaseRequest) -> pb.OpenCaseResponse:
        who = acting(user, request.for_user)
        case_id = await asyncio.to_thread(self._cases.open, request.title, who, self._now())
        return pb.OpenCaseResponse(case=await self._case(case_id))

    async def _list_cases(self, request: pb.ListCasesRequest) -> pb.ListCasesResponse:
        found, token = await asyncio.to_thread(
            self._cases.page, request.page_size, text("page_token", request.page_token)
        )
        return pb.ListCasesResponse(cases=[_case(case) for case in found], next_page_token=token)

    async def _get_case(self, request: pb.GetCaseRequest) -> pb.GetCaseResponse:
        return pb.GetCaseResponse(case=await self._case(_case_id(request.case_id)))

    async def _add_to_case(self, user: str, request: pb.AddToCaseRequest) -> pb.AddToCaseResponse:
        case_id, who = _case_id(request.case_id), acting(user, request.for_user)
        item = (request.kind, request.subject, request.note)
        await asyncio.to_thread(self._cases.add, case_id, *item, who, self._now())
        return pb.AddToCaseResponse(case=await self._case(case_id))

    async def _case(self, case_id: uuid.UUID) -> pb.Case:
        items = await asyncio.to_thread(self._cases.items, case_id)
        first, last = items[0], items[-1]
        told = Case(case_id, first.note, first.added_by, first.added_at, last.added_at, is_closed(items), last.number)
        return _case(told, items)

    async def _add_passkey(self, request: pb.AddPasskeyRequest) -> pb.AddPasskeyResponse:
        told = request.passkey
        passkey = Passkey(
            told.credential_id, told.person, told.public_key, told.sign_count, told.label, self._now(), None
        )
        await asyncio.to_thread(self._passkeys.add, passkey)
        return pb.AddPasskeyResponse()

    async def _list_passkeys(self, request: pb.ListPasskeysRequest) -> pb.ListPasskeysResponse:
        passkeys = await asyncio.to_thread(self._passkeys.listed, request.person)
        return pb.ListPasskeysResponse(passkeys=[_passkey(passkey) for passkey in passkeys])

    async def _use_passkey(self, request: pb.UsePasskeyRequest) -> pb.UsePasskeyResponse:
        sign_count = number("sign_count", request.sign_count, 0)
        await asyncio.to_thread(self._passkeys.use, request.credential_id, sign_count, self._now())
        return pb.UsePasskeyResponse()

    async def _drop_passkey(self, request: pb.DropPasskeyRequest) -> pb.DropPasskeyResponse:
        await asyncio.to_thread(self._passkeys.drop, request.credential_id)
        return pb.DropPasskeyResponse()


def _case_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise BadRequestError(f"case_id: {text[:40]!r} is no UUID") from error


def _case(case: Case, items: Sequence[CaseItem] = ()) -> pb.Case:
    return pb.Case(
        case_id=str(case.case_id),
        title=case.title,
        opened_by=case.opened_by,
        opened_at=timestamp(case.opened_at),
        moved_at=timestamp(case.moved_at),
        is_closed=case.is_closed,
        item_count=case.item_count,
        items=[
            pb.CaseItem(
                number=item.number,
                kind=item.kind,
                subject=item.subject,
                note=item.note,
                added_by=item.added_by,
                added_at=timestamp(item.added_at),
            )
            for item in items
        ],
    )


def _passkey(passkey: Passkey) -> pb.Passkey:
    return pb.Passkey(
        credential_id=passkey.credential_id,
        person=passkey.person,
        public_key=passkey.public_key,
        sign_count=passkey.sign_count,
        label=passkey.label,
        added_at=timestamp(passkey.added_at),
        used_at=timestamp(passkey.used_at) if passkey.used_at is not None else None,
    )


def _member(msp: Msp) -> pb.ChannelMember:
    tls = (parse_certificate(pem) for pem in msp.tls_roots)
    return pb.ChannelMember(
        msp_id=msp.msp_id,
        authorities=[
            *(_authority("identity", certificate) for certificate in msp.roots),
            *(_authority("tls", certificate) for certificate in tls),
        ],
        revoked_count=_revoked_count(msp.config),
    )


def _revoked_count(config: bytes) -> int:
    """Return how many certificates the revocation lists of an MSP's configuration name."""
    fabric = msp_config_pb2.FabricMSPConfig.FromString(msp_config_pb2.MSPConfig.FromString(config).config)
    return sum(len(RevocationList.parse(crl).serial_numbers) for crl in fabric.revocation_list)


def _authority(purpose: str, certificate: Certificate) -> pb.Authority:
    return pb.Authority(
        purpose=purpose,
        subject=certificate.subject_text,
        fingerprint=certificate.digest,
        not_after=timestamp(certificate.not_valid_after_utc),
    )
