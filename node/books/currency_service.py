"""``dwaybank.ledger.v1.CurrencyService``: assets, rates on record, exchanges and revaluations made from them.

Rules are those of ``ledger_service``: strict input, the organization's own certificates only, refusals by name. Rates
come from the record only, so that every amount can be derived again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime

from google.protobuf.message import Message

from ledger import currency
from ledger.account import check_actor, check_code, check_reference
from ledger.errors import ArchivedError, InvalidValueError
from ledger.exchange import Leg, Position, Rate, Rounding, exchange, revaluation
from ledger.journal import EntryResult, NewEntry
from ledger.money import parse_amount_minor
from network.pb.dwaybank.ledger.v1 import currencies_pb2 as pb
from network.rpc import Server
from node.access import Members
from node.books import wire
from node.books.books import Books
from node.books.handlers import Handlers

SERVICE = "dwaybank.ledger.v1.CurrencyService"

PAGE_SIZE_DEFAULT = 50
"""Assets of a page when the caller names no size."""

ROUNDINGS: dict[int, Rounding] = {
    pb.ROUNDING_UNSPECIFIED: Rounding.HALF_EVEN,
    pb.ROUNDING_HALF_EVEN: Rounding.HALF_EVEN,
    pb.ROUNDING_HALF_UP: Rounding.HALF_UP,
    pb.ROUNDING_DOWN: Rounding.DOWN,
    pb.ROUNDING_UP: Rounding.UP,
}
"""Roundings as the books know them."""


class CurrencyService:
    """Serves assets and rates.

    Args:
        books: the organization's books.
        members: tells who calls.
        now: the clock, UTC.
    """

    def __init__(self, books: Books, members: Members, *, now: Callable[[], datetime]) -> None:
        self._books = books
        self._members = members
        self._now = now

    def register(self, server: Server) -> None:
        """Offer all methods of the service."""
        handlers = Handlers(server, SERVICE, self._members, self._books)
        handlers.offer("RegisterAsset", pb.RegisterAssetRequest, self._register_asset)
        handlers.offer("ListAssets", pb.ListAssetsRequest, self._list_assets)
        handlers.offer("RecordRate", pb.RecordRateRequest, self._record_rate)
        handlers.offer("GetRate", pb.GetRateRequest, self._get_rate)
        handlers.offer("PostExchange", pb.PostExchangeRequest, self._post_exchange)
        handlers.offer("AuditExchanges", pb.AuditExchangesRequest, self._audit_exchanges)
        handlers.offer("Revalue", pb.RevalueRequest, self._revalue)

    async def _register_asset(self, request: pb.RegisterAssetRequest) -> Message:
        created = await self._books.read(
            currency.register_asset,
            request.asset,
            request.scale,
            actor=request.actor,
            reason=request.reason,
            now=self._now(),
        )
        return pb.RegisterAssetResponse(created=created)

    async def _list_assets(self, request: pb.ListAssetsRequest) -> Message:
        size = request.page_size or PAGE_SIZE_DEFAULT
        after = check_code(request.page_token, "page_token") if request.page_token else ""
        found = await self._books.read(currency.list_assets, after=after, count_max=size)
        assets = [
            pb.Asset(
                asset=item.asset.code,
                scale=item.asset.scale,
                actor=item.actor,
                reason=item.reason,
                at=wire.stamp_of(item.at),
            )
            for item in found
        ]
        return pb.ListAssetsResponse(assets=assets, next_page_token=found[-1].asset.code if len(found) == size else "")

    async def _record_rate(self, request: pb.RecordRateRequest) -> Message:
        given = request.rate
        if not given.HasField("quoted_at"):
            raise InvalidValueError("rate.quoted_at", "", "is missing: a rate is quoted at a time")
        quoted_at = wire.time_of(given.quoted_at, "rate.quoted_at")
        base = await self._books.read(currency.find_asset, given.base)
        quote = await self._books.read(currency.find_asset, given.quote)
        with wire.below("rate"):
            rate = Rate(base, quote, given.rate, given.source, quoted_at)
        created = await self._books.read(currency.record_rate, rate, actor=request.actor, now=self._now())
        return pb.RecordRateResponse(created=created)

    async def _get_rate(self, request: pb.GetRateRequest) -> Message:
        rate, _ = await self._rate(request.choice)
        return pb.GetRateResponse(rate=_rate_message(rate))

    async def _post_exchange(self, request: pb.PostExchangeRequest) -> Message:
        key = wire.uuid_of(request.idempotency_key, "idempotency_key")
        debit, credit = _leg_of(request.debit, "debit"), _leg_of(request.credit, "credit")
        if request.given not in (debit.asset, credit.asset):
            raise InvalidValueError("given", request.given, "name the asset of one of the legs")
        amount, rounding = parse_amount_minor(request.amount_minor, "amount_minor"), _rounding_of(request.rounding)
        effective_at = wire.time_of(request.effective_at, "effective_at") if request.HasField("effective_at") else None
        await self._require_assets(debit, "debit")
        await self._require_assets(credit, "credit")
        rate, _ = await self._rate(request.choice, await self._posted_at(key))
        entry = exchange(
            key,
            rate,
            amount,
            request.given,
            debit=debit,
            credit=credit,
            rounding=rounding,
            metadata=dict(request.metadata),
            effective_at=effective_at,
            settlement_id=request.settlement_id,
            description=request.description,
            actor=check_actor(request.actor) if request.actor else "",
        )
        result = await self._post(entry, dry_run=request.dry_run)
        return pb.PostExchangeResponse(
            rate=_rate_message(rate),
            postings=[wire.posting_message(posting) for posting in entry.postings],
            result=wire.result_message(result),
        )

    async def _audit_exchanges(self, request: pb.AuditExchangesRequest) -> Message:
        most = request.finding_count_max or currency.PAGE_SIZE_MAX
        found = await self._books.read(currency.audit_exchanges, most)
        return pb.AuditExchangesResponse(
            findings=[pb.ExchangeFinding(seq=finding.seq, problem=finding.problem) for finding in found]
        )

    async def _revalue(self, request: pb.RevalueRequest) -> Message:
        position, on, rounding = (
            _position_of(request.position),
            wire.day_of(request.on, "on"),
            _rounding_of(request.rounding),
        )
        if request.revision < 0:
            raise InvalidValueError("revision", request.revision, "give 0 for the first of the day, or more")
        rate, closing = await self._rate(request.choice)
        found = await self._books.read(currency.open_position, position, rate, closing)
        entry = revaluation(
            position,
            amount=found.amount,
            carried=found.carried,
            rate=rate,
            on=on,
            effective_at=closing,
            rounding=rounding,
            revision=request.revision,
            description=request.description,
            actor=check_actor(request.actor) if request.actor else "",
        )
        answer = pb.RevalueResponse(
            rate=_rate_message(rate), amount_minor=str(found.amount), carried_minor=str(found.carried)
        )
        if entry is not None:
            result = await self._post(entry, dry_run=request.dry_run)
            answer.postings.extend(wire.posting_message(posting) for posting in entry.postings)
            answer.result.CopyFrom(wire.result_message(result))
        return answer

    async def _posted_at(self, key: uuid.UUID) -> datetime | None:
        """Return when the exchange under a key was posted, None for none.

        A repeat is judged by the rates of that time: one corrected since would make another body of the same request,
        and whoever is told so and takes a new key has exchanged twice.
        """
        try:
            standing = await self._books.find_entry(key)
        except ArchivedError:
            return None
        return standing.posted_at if standing is not None and ("fx", "exchange") in standing.metadata else None

    async def _rate(self, choice: pb.RateChoice, known_at: datetime | None = None) -> tuple[Rate, datetime]:
        """Return the rate chosen, and the moment it is chosen for; as it was chosen then, where a time is given."""
        if not choice.HasField("at"):
            raise InvalidValueError("choice.at", "", "is missing: give the moment whose rate counts")
        at = wire.time_of(choice.at, "choice.at")
        base, quote = check_code(choice.base, "choice.base"), check_code(choice.quote, "choice.quote")
        source = check_reference(choice.source, "choice.source")
        return await self._books.read(currency.rate_at, base, quote, source, at, known_at=known_at), at

    async def _require_assets(self, leg: Leg, path: str) -> None:
        """Let a leg pass whose accounts count its asset; of one that does not exist the books' answer tells.

        Each asset of an entry balances for itself: with two legs mixed up it would be posted, at another rate.
        """
        for name in ("account", "position"):
            account = await self._books.find_account(getattr(leg, name))
            if account is not None and account.facts.asset.code != leg.asset:
                reference, asset = account.facts.reference, account.facts.asset.code
                raise InvalidValueError(f"{path}.{name}", reference, f"counts {asset}, the leg is of {leg.asset}")

    async def _post(self, entry: NewEntry, *, dry_run: bool) -> EntryResult:
        if not dry_run:
            return await self._books.post(entry)
        (result,) = await self._books.dry_run([entry])
        assert isinstance(result, EntryResult)
        return result


def _leg_of(message: pb.ExchangeLeg, path: str) -> Leg:
    with wire.below(path):
        return Leg(check_code(message.asset, "asset"), message.account, message.position)


def _position_of(message: pb.Position) -> Position:
    names = ("account", "counter", "revaluation", "gain", "loss")
    return Position(*(check_reference(getattr(message, name), f"position.{name}") for name in names))


def _rounding_of(number: int) -> Rounding:
    if number not in ROUNDINGS:
        raise InvalidValueError("rounding", number, "give one of " + ", ".join(rule.name for rule in Rounding))
    return ROUNDINGS[number]


def _rate_message(rate: Rate) -> pb.Rate:
    return pb.Rate(
        base=rate.base.code,
        quote=rate.quote.code,
        rate=rate.text,
        source=rate.source,
        quoted_at=wire.stamp_of(rate.quoted_at),
    )
