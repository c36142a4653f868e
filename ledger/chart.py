"""The chart of accounts: which codes a book knows, on which side they stand, and what their accounts may do. Pure.

A pattern describes references. Its parts stand between colons, and each is made of letters as they are and variables:

    assets:cash              this reference only
    customers:{id}           any one part after "customers:"
    vostro-{bank}-{asset}    variables may stand inside a part, with something between them
    loans:{number=digits}    digits only; {name=letters} takes letters only
    fees:*                   everything that begins with "fees:", however many parts follow

Rules:
- where several patterns fit a reference, they are compared from the left: at their first difference the literal wins
  over the variable, a variable of digits or letters over a plain one, and ``*`` comes last;
- a chart that is not enforced advises only: accounts that do not fit are opened all the same, and can be listed;
- an enforced chart refuses to open what does not fit. It never touches accounts that stand already;
- the database judges by the same rules on its own (``sql/functions/chart_rules.sql``); a test holds both together.

Example:
    >>> from ledger.account import Side, Terms
    >>> chart = Chart(rules=(
    ...     ChartRule("assets:cash", Side.DEBIT, assets=("EUR",)),
    ...     ChartRule("customers:{id}", Side.CREDIT, terms=Terms(floor=0)),
    ...     ChartRule("fees:*", Side.CREDIT, negative=True),
    ... ))
    >>> chart.rule_for("customers:4711").pattern
    'customers:{id}'
    >>> chart.refusal("customers:4711", "EUR", Side.DEBIT, Terms(floor=0))
    'wrong_side'
    >>> chart.refusal("customers:4711:savings", "EUR", Side.CREDIT, Terms(floor=0))
    'no_rule'
    >>> chart.refusal("fees:cards:atm", "EUR", Side.CREDIT, Terms())  # fits: no refusal
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from ledger.account import MAIN_BOOK, Side, Terms, check_code
from ledger.errors import InvalidValueError

PATTERN_LENGTH_MAX = 200
"""Longest pattern, in characters."""

RULE_COUNT_MAX = 1000
"""Most rules of one chart."""

NOT_BELOW_ZERO = Terms(floor=0)
"""What most customers' accounts may: spend what they have."""

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_DIGITS = frozenset("0123456789")
_PLAIN = _LETTERS | _DIGITS | frozenset("_.-")

_TAKES = {"{": _DIGITS, "|": _LETTERS, "}": _PLAIN, "~": _PLAIN | {":"}}
"""Which characters a variable takes. Its name here sorts after all characters of references, the narrower first."""

_KINDS = {"=digits": "{", "=letters": "|", "": "}"}
_TOKEN = re.compile(r"\{[a-z][a-z0-9_]{0,30}(=digits|=letters|)\}|([A-Za-z0-9_.-])|(:)|(\*)$")


@dataclass(frozen=True, slots=True)
class ChartRule:
    """What a chart says of the accounts whose references fit a pattern.

    Args:
        pattern: which references; see above.
        normal_side: the side that makes their balances grow.
        assets: codes of the assets they may count; empty for any.
        negative: whether their balances may fall below zero.
        terms: of an account that is opened by the chart.
    """

    pattern: str
    normal_side: Side
    assets: tuple[str, ...] = ()
    negative: bool = False
    terms: Terms = NOT_BELOW_ZERO

    def __post_init__(self) -> None:
        precedence_of(self.pattern)
        if self.terms.may_be_negative and not self.negative:
            raise InvalidValueError("negative", self.negative, "these terms let a balance fall below zero: allow it")
        if self.terms.floor is not None and self.terms.floor > 0:
            raise InvalidValueError("floor_minor", self.terms.floor, "a new account is empty: give zero or less")
        if self.terms.ceiling is not None and self.terms.ceiling < 0:
            raise InvalidValueError("ceiling_minor", self.terms.ceiling, "a new account is empty: give zero or more")


@dataclass(frozen=True, slots=True)
class Chart:
    """The rules of one book, kept in their precedence.

    Args:
        book: code of the book.
        rules: no two of them may mean the same references.
        enforced: whether an account that does not fit is refused.
        version: number of changes of the book's structure so far.
    """

    book: str = MAIN_BOOK
    rules: tuple[ChartRule, ...] = ()
    enforced: bool = False
    version: int = 0

    def __post_init__(self) -> None:
        check_code(self.book, "book")
        if len(self.rules) > RULE_COUNT_MAX:
            raise InvalidValueError("rules", len(self.rules), f"give at most {RULE_COUNT_MAX}")
        # With an end that sorts late: a pattern that goes on with a literal decides before one that has ended.
        ordered = sorted(self.rules, key=lambda rule: precedence_of(rule.pattern) + "~")
        for first, second in itertools.pairwise(ordered):
            if precedence_of(first.pattern) == precedence_of(second.pattern):
                raise InvalidValueError("pattern", second.pattern, f"means the same references as {first.pattern!r}")
        object.__setattr__(self, "rules", tuple(ordered))

    def rule_for(self, reference: str) -> ChartRule | None:
        """Return the rule that decides over a reference; None when no pattern fits."""
        return next((rule for rule in self.rules if fits(rule.pattern, reference)), None)

    def refusal(self, reference: str, asset: str, normal_side: Side, terms: Terms) -> str | None:
        """Return why an account does not fit, None when it does; the codes of ``ChartRefusedError``."""
        rule = self.rule_for(reference)
        if rule is None:
            return "no_rule"
        if rule.normal_side is not normal_side:
            return "wrong_side"
        if rule.assets and asset not in rule.assets:
            return "wrong_asset"
        if terms.may_be_negative and not rule.negative:
            return "negative_not_allowed"
        return None


def fits(pattern: str, reference: str) -> bool:
    """Whether a reference fits a well-formed pattern.

    Follows all ways at once, so that no pattern takes more than its length times the reference's.
    """
    ends = {0}
    for token in precedence_of(pattern):
        takes = _TAKES.get(token)
        if takes is None:
            ends = {end + 1 for end in ends if reference[end : end + 1] == token}
        else:
            ends = {later for end in ends for later in _ends_of_run(reference, end, takes)}
    return len(reference) in ends


def _ends_of_run(reference: str, start: int, takes: frozenset[str]) -> range:
    """Return where a variable that begins at ``start`` may end: after one character or more."""
    stop = start
    while stop < len(reference) and reference[stop] in takes:
        stop += 1
    return range(start + 1, stop + 1)


def precedence_of(pattern: str) -> str:
    """Return the pattern with each variable as one late character: charts sort by it, and no two rules share it.

    Raises:
        InvalidValueError: malformed; the message says where.
    """
    if not 1 <= len(pattern) <= PATTERN_LENGTH_MAX:
        raise InvalidValueError("pattern", pattern, f"give 1 to {PATTERN_LENGTH_MAX} characters")
    found = []
    at = 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            raise InvalidValueError(
                "pattern", pattern, f"character {at + 1} begins no letter, digit, variable or last *"
            )
        kind, literal, colon, rest = token.groups()
        found.append("~" if rest else literal or colon or _KINDS[kind])
        at = token.end()
    precedence = "".join(found)
    for part in precedence.split(":"):
        if not part:
            raise InvalidValueError("pattern", pattern, "a part between colons is empty")
        if "~" in part and part != "~":
            raise InvalidValueError("pattern", pattern, "* stands alone in the last part")
        if re.search(r"[{|}]{2}", part):
            raise InvalidValueError("pattern", pattern, "two variables need something between them")
    return precedence
