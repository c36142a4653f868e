"""The whole ledger as a pure Python model: dictionaries and integers, one request after the other, nothing remembered
that can be added up again. Written from docs/result-codes.md alone; it imports nothing of the code that it judges.

Every sum is made anew from the list of posted entries, and what is refused is undone by going back to the lists as they
stood: slow, and obvious. Sides are ``"debit"`` and ``"credit"``, codes their names in the document, keys plain numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

AMOUNT_MAX = 2**62 - 1

CODES = (
    "posted",
    "exists",
    "exists_with_different_body",
    "account_not_found",
    "asset_mismatch",
    "unbalanced",
    "account_striped",
    "period_closed",
    "entry_not_found",
    "entry_archived",
    "exceeds_original",
    "hold_not_found",
    "hold_not_placed",
    "hold_expired",
    "hold_mismatch",
    "account_closed",
    "account_frozen",
    "deadline_passed",
    "balance_overflow",
    "exceeds_available",
    "exceeds_ceiling",
    "linked_failed",
)
"""In their precedence."""

STANDS = ("posted", "exists")
"""Codes after which what was asked stands in the books."""

NO_FACTS = (*STANDS, "account_not_found", "asset_mismatch", "unbalanced", "account_striped", "linked_failed")
"""Codes that say nothing about the state of the books; refusals with any other are kept."""


# What is asked --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Leg:
    account: str
    side: str
    amount: int


@dataclass(frozen=True)
class Entry:
    key: int
    legs: tuple[Leg, ...]
    effective_at: datetime | None = None
    settlement_id: str = ""
    description: str = ""
    hold: int | None = None
    hold_final: bool = False
    linked: bool = False
    reverses: int | None = None
    actor: str = ""
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Place:
    hold: int
    account: str
    amount: int
    deadline: datetime
    linked: bool = False


@dataclass(frozen=True)
class Release:
    hold: int
    linked: bool = False


Request = Entry | Place | Release


@dataclass(frozen=True)
class Answer:
    code: str
    seq: int | None = None


@dataclass(frozen=True)
class Refusal:
    """What is kept: the entry after which it was judged, what was asked, why not, whether a chain failed with it."""

    after_seq: int
    request: Request
    code: str
    chained: bool


# What is kept ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """What was agreed about an account; its money is the sum of its entries and holds."""

    asset: str
    normal_side: str
    floor: int | None = 0
    overdraft: int = 0
    ceiling: int | None = None
    status: str = "open"
    stripes: int = 0

    @property
    def available_least(self) -> int | None:
        return None if self.floor is None else self.floor - self.overdraft


@dataclass(frozen=True)
class Posted:
    seq: int
    body: Entry
    posted_at: datetime
    chain_seq: int | None
    on_stripes: dict[str, list[int]]
    """For each striped account what the entry does to each of its stripes, on its normal side."""

    @property
    def effective_at(self) -> datetime:
        return self.posted_at if self.body.effective_at is None else self.body.effective_at


@dataclass(frozen=True)
class Hold:
    body: Place
    state: str = "placed"
    captured: int = 0

    @property
    def remaining(self) -> int:
        return self.body.amount - self.captured if self.state == "placed" else 0


class LedgerModel:
    """The books. ``now`` comes with each command and never runs back."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.entries: list[Posted] = []
        self.holds: dict[int, Hold] = {}
        self.refusals: list[Refusal] = []
        self.closes: list[datetime] = []
        """What counts for an earlier time than the last of them is refused."""
        self.archived = 0
        """Entries up to this number are archived."""

    # Posting ----------------------------------------------------------------------------------------------------------

    def post(self, requests: list[Request], now: datetime) -> list[Answer]:
        answers = []
        for chain in chains_of(requests):
            answers += self._post_chain(chain, now)
        return answers

    def dry_run(self, requests: list[Request], now: datetime) -> list[Answer]:
        entries, holds, refusals = list(self.entries), dict(self.holds), list(self.refusals)
        answers = self.post(requests, now)
        self.entries, self.holds, self.refusals = entries, holds, refusals
        return answers

    def _post_chain(self, chain: list[Request], now: datetime) -> list[Answer]:
        """All of it now, or nothing; what stood before as a whole is told again."""
        entries, holds = list(self.entries), dict(self.holds)
        chain_seq = len(entries) + 1 if len(chain) > 1 else None
        answers: list[Answer] = []
        for request in chain:
            answers.append(self._post_one(request, now, chain_seq))
            if answers[-1].code not in STANDS:
                break
        if len(chain) == 1:
            if self.holds == holds:  # a release that comes too late does what was asked
                self._keep(chain[0], answers[0], chained=False)
            return answers
        if {answer.code for answer in answers} in ({"posted"}, {"exists"}):
            return answers
        self.entries, self.holds = entries, holds
        self._keep(chain[len(answers) - 1], answers[-1], chained=True)
        answers += [Answer("linked_failed")] * (len(chain) - len(answers))
        return [self._beside_a_failure(request, own) for request, own in zip(chain, answers, strict=True)]

    def _keep(self, request: Request, answer: Answer, *, chained: bool) -> None:
        """Keep a refusal that says something about the books."""
        if answer.code not in NO_FACTS:
            self.refusals.append(Refusal(len(self.entries), request, answer.code, chained))

    def _beside_a_failure(self, request: Request, own: Answer) -> Answer:
        """What stood before its chain stands still, and is told so."""
        known = self._known(request)
        if known is not None and known.code == "exists":
            return known
        return Answer("linked_failed") if own.code in STANDS else own

    def _post_one(self, request: Request, now: datetime, chain_seq: int | None) -> Answer:
        known = self._known(request)
        if known is not None:
            return known
        if isinstance(request, Entry):
            return self._post_entry(request, now, chain_seq)
        if isinstance(request, Place):
            return self._place(request, now)
        return self._release(request, now)

    def _known(self, request: Request) -> Answer | None:
        """The answer to a request that was made before; None to a new one."""
        if isinstance(request, Entry):
            for posted in self.entries:
                if posted.body.key == request.key:
                    same = posted.body == request
                    return Answer("exists", posted.seq) if same else Answer("exists_with_different_body")
        elif isinstance(request, Place):
            hold = self.holds.get(request.hold)
            if hold is not None:
                same = replace(hold.body, linked=request.linked) == request
                return Answer("exists" if same else "exists_with_different_body")
        elif request.hold in self.holds and self.holds[request.hold].state == "released":
            return Answer("exists")
        return None

    # Entries ----------------------------------------------------------------------------------------------------------

    def _post_entry(self, entry: Entry, now: datetime, chain_seq: int | None) -> Answer:
        code = self._refusal(entry, now)
        if code is not None:
            return Answer(code)
        seq = len(self.entries) + 1
        if entry.hold is not None:
            self.holds[entry.hold] = self._captured(self.holds[entry.hold], entry)
        on_stripes = {
            leg.account: self._divided(entry, leg.account) for leg in entry.legs if self.accounts[leg.account].stripes
        }
        self.entries.append(Posted(seq, entry, now, chain_seq, on_stripes))
        return Answer("posted", seq)

    def _divided(self, entry: Entry, name: str) -> list[int]:
        """From the stripe that the key chooses on, each bears what it can of each posting."""
        account, before = self.accounts[name], self.stripes(name)
        changes = [0] * account.stripes
        lowest = -AMOUNT_MAX if account.floor is None else account.floor
        for leg in entry.legs:
            left = leg.amount if leg.account == name else 0
            for step in range(account.stripes):
                at = (entry.key + step) % account.stripes
                balance = before[at] + changes[at]
                grows = leg.side == account.normal_side
                part = min(left, AMOUNT_MAX - balance if grows else balance - lowest)
                changes[at] += part if grows else -part
                left -= part
        return changes

    def stripes(self, name: str) -> list[int]:
        """The balances of a striped account's stripes."""
        count = self.accounts[name].stripes
        parts = [posted.on_stripes.get(name, [0] * count) for posted in self.entries]
        return [sum(part[at] for part in parts) for at in range(count)]

    def _captured(self, hold: Hold, entry: Entry) -> Hold:
        captured = hold.captured - self.change(entry, hold.body.account)
        ended = entry.hold_final or captured == hold.body.amount
        return replace(hold, captured=captured, state="captured" if ended else "placed")

    def _refusal(self, entry: Entry, now: datetime) -> str | None:
        """The first code that applies, in their precedence."""
        names = {leg.account for leg in entry.legs}
        if not names <= set(self.accounts):
            return "account_not_found"
        if len(entry.legs) == 2 and len({self.accounts[name].asset for name in names}) == 2:
            return "asset_mismatch"
        if any(self._sum_of_asset(entry, asset) != 0 for asset in {self.accounts[name].asset for name in names}):
            return "unbalanced"
        effective_at = now if entry.effective_at is None else entry.effective_at
        if self.closes and effective_at < self.closes[-1]:
            return "period_closed"
        if entry.reverses is not None:
            code = self._reversal_refusal(entry, entry.reverses)
            if code is not None:
                return code
        if entry.hold is not None:
            code = self._capture_refusal(entry, entry.hold, now)
            if code is not None:
                return code
        statuses = {self.accounts[name].status for name in names}
        if "closed" in statuses:
            return "account_closed"
        if "frozen" in statuses:
            return "account_frozen"
        if any(abs(self.balance(name) + self.change(entry, name)) > AMOUNT_MAX for name in names):
            return "balance_overflow"
        if any(self._exceeds_available(entry, name) for name in names):
            return "exceeds_available"
        if any(self._exceeds_ceiling(entry, name) for name in names):
            return "exceeds_ceiling"
        return None

    def _sum_of_asset(self, entry: Entry, asset: str) -> int:
        legs = [leg for leg in entry.legs if self.accounts[leg.account].asset == asset]
        return sum(leg.amount if leg.side == "debit" else -leg.amount for leg in legs)

    def _reversal_refusal(self, entry: Entry, number: int) -> str | None:
        if 1 <= number <= self.archived:
            return "entry_archived"
        if not 1 <= number <= len(self.entries):
            return "entry_not_found"
        original = self.entries[number - 1].body
        if original.reverses is not None:
            return "entry_not_found"
        for name in {leg.account for leg in entry.legs}:
            # On the account's normal side: what the original did to it, and what was taken back of that so far.
            done = self.change(original, name)
            taken_back = sum(self.change(e.body, name) for e in self.entries if e.body.reverses == number)
            after = done + taken_back + self.change(entry, name)
            towards_nothing = 0 <= after < done + taken_back if done > 0 else done + taken_back < after <= 0
            if not towards_nothing:
                return "exceeds_original"
        return None

    def _capture_refusal(self, entry: Entry, number: int, now: datetime) -> str | None:
        hold = self.holds.get(number)
        if hold is None:
            return "hold_not_found"
        if hold.state in ("captured", "released"):
            return "hold_not_placed"
        if hold.state == "expired" or hold.body.deadline <= now:
            return "hold_expired"
        if not 0 < -self.change(entry, hold.body.account) <= hold.remaining:
            return "hold_mismatch"
        return None

    def _exceeds_available(self, entry: Entry, name: str) -> bool:
        """Whether the entry takes available money, and more than may be taken."""
        least = self.accounts[name].available_least
        taken = -self.change(entry, name)
        if entry.hold is not None and self.holds[entry.hold].body.account == name:
            hold = self.holds[entry.hold]
            taken -= hold.remaining - self._captured(hold, entry).remaining
        return least is not None and taken > 0 and self.available(name) - taken < least

    def _exceeds_ceiling(self, entry: Entry, name: str) -> bool:
        ceiling = self.accounts[name].ceiling
        change = self.change(entry, name)
        return ceiling is not None and change > 0 and self.balance(name) + change > ceiling

    # Holds ------------------------------------------------------------------------------------------------------------

    def _place(self, place: Place, now: datetime) -> Answer:
        account = self.accounts.get(place.account)
        if account is None:
            return Answer("account_not_found")
        if account.stripes:
            return Answer("account_striped")
        if account.status != "open":
            return Answer(f"account_{account.status}")
        if place.deadline <= now:
            return Answer("deadline_passed")
        held = self.held(place.account) + place.amount
        available = self.balance(place.account) - held
        if held > AMOUNT_MAX or available < -AMOUNT_MAX:
            return Answer("balance_overflow")
        if account.available_least is not None and available < account.available_least:
            return Answer("exceeds_available")
        self.holds[place.hold] = Hold(place)
        return Answer("posted")

    def _release(self, release: Release, now: datetime) -> Answer:
        hold = self.holds.get(release.hold)
        if hold is None:
            return Answer("hold_not_found")
        if hold.state == "captured":
            return Answer("hold_not_placed")
        if hold.state == "expired" or hold.body.deadline <= now:
            self.holds[release.hold] = replace(hold, state="expired")  # which gives the money back all the same
            return Answer("hold_expired")
        self.holds[release.hold] = replace(hold, state="released")
        return Answer("posted")

    def expire_holds(self, now: datetime) -> int:
        """Give back what is held past its deadline; until then it stays held, although nobody may capture it."""
        due = [number for number, hold in self.holds.items() if hold.state == "placed" and hold.body.deadline <= now]
        for number in due:
            self.holds[number] = replace(self.holds[number], state="expired")
        return len(due)

    # Accounts and periods ---------------------------------------------------------------------------------------------

    def open_account(self, name: str, account: Account) -> None:
        assert name not in self.accounts
        self.accounts[name] = account

    def set_terms(self, name: str, **terms: int | str | None) -> str:
        """Change floor, overdraft, ceiling or status; what the account has must satisfy the new terms at once."""
        if name not in self.accounts:
            return "account_not_found"
        wanted = replace(self.accounts[name], **terms)  # type: ignore[arg-type]
        if wanted == self.accounts[name]:
            return "unchanged"
        if wanted.status == "closed" and (self.balance(name) != 0 or self.held(name) != 0):
            return "account_not_empty"
        if wanted.stripes and (wanted.floor not in (0, None) or wanted.overdraft or wanted.ceiling is not None):
            return "account_striped"
        if wanted.stripes and wanted.floor is not None and min(self.stripes(name)) < wanted.floor:
            return "below_floor"
        if wanted.available_least is not None and self.available(name) < wanted.available_least:
            return "below_floor"
        if wanted.ceiling is not None and self.balance(name) > wanted.ceiling:
            return "above_ceiling"
        self.accounts[name] = wanted
        return "changed"

    def close_period(self, before: datetime, now: datetime) -> str:
        """Refuse from now on what counts for an earlier time."""
        if before > now:
            return "not_over_yet"
        if self.closes and before <= self.closes[-1]:
            return "not_after_last"
        self.closes.append(before)
        return "closed"

    def reopen_period(self) -> str:
        """Take the last close back."""
        if not self.closes:
            return "period_not_found"
        opened = self.closes[-2] if len(self.closes) > 1 else None
        if self.archived and (opened is None or opened <= self.archived_until()):
            return "archived"
        self.closes.pop()
        return "reopened"

    def archived_until(self) -> datetime:
        """The latest time that an archived entry was posted at or counts for."""
        return max(max(posted.posted_at, posted.effective_at) for posted in self.entries[: self.archived])

    def archive(self, seq: int) -> None:
        """Let entries up to a number be archived, none for 0."""
        assert all(map(self._may_go, self.entries[self.archived : seq]))
        self.archived = seq

    def archive_all(self) -> int:
        """Let every entry be archived that may go with all before it; return the newest one."""
        while self._may_go(self.entries[self.archived]):
            self.archived += 1
        return self.archived

    def _may_go(self, posted: Posted) -> bool:
        """Nothing can concern it any more: it is not the newest, its period is closed, no hold goes on."""
        closed = self.closes and max(posted.posted_at, posted.effective_at) < self.closes[-1]
        placed = posted.body.hold is not None and self.holds[posted.body.hold].state == "placed"
        return bool(posted.seq < len(self.entries) and closed and not placed)

    # Reading ----------------------------------------------------------------------------------------------------------

    def change(self, entry: Entry, name: str) -> int:
        """What the entry does to the account, on its normal side."""
        normal_side = self.accounts[name].normal_side
        own = [leg for leg in entry.legs if leg.account == name]
        return sum(leg.amount if leg.side == normal_side else -leg.amount for leg in own)

    def balance(self, name: str, *, known_at: datetime | None = None, effective_at: datetime | None = None) -> int:
        """The balance as it was known at one moment for another; both for now when not given."""
        return sum(
            self.change(posted.body, name)
            for posted in self.entries
            if (known_at is None or posted.posted_at <= known_at)
            and (effective_at is None or posted.effective_at <= effective_at)
        )

    def held(self, name: str) -> int:
        return sum(hold.remaining for hold in self.holds.values() if hold.body.account == name)

    def available(self, name: str) -> int:
        return self.balance(name) - self.held(name)

    def statement(self, name: str) -> list[tuple[int, str, int, int]]:
        """Number of the entry, side, amount and running balance of every posting, oldest first."""
        lines = []
        running = 0
        for posted in self.entries:
            for leg in posted.body.legs:
                if leg.account == name:
                    running += leg.amount if leg.side == self.accounts[name].normal_side else -leg.amount
                    lines.append((posted.seq, leg.side, leg.amount, running))
        return lines

    def trial_balance(self) -> dict[str, int]:
        """Debits less credits of each asset: nothing, in sound books."""
        return {
            asset: sum(self._sum_of_asset(posted.body, asset) for posted in self.entries)
            for asset in {account.asset for account in self.accounts.values()}
        }


def chains_of(requests: list[Request]) -> list[list[Request]]:
    """Requests that stand or fall together."""
    assert not requests or not requests[-1].linked, "can never be right: nothing follows that it could be linked to"
    chains: list[list[Request]] = [[]]
    for request in requests:
        chains[-1].append(request)
        if not request.linked:
            chains.append([])
    return [chain for chain in chains if chain]
