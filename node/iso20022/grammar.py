"""The grammar of messages: which elements stand where, once, for reading and for writing.

A grammar is a tree of steps in the order of the schema. Reading takes the children of an element step by step and
refuses whatever is left; writing walks the same steps over the value. So a reader can pass over nothing: an element
that no step names has no place to go.

Rules:
- every element of a message is in the message's own namespace, carries no attribute but an amount's currency, and
  holds either text or elements;
- a step that is computed (a count, a sum) is not part of the value: writing tells it, reading checks it;
- an element without content is refused, also where the schema would let it pass.

Left to others: the bytes (``catalogue``), simple types (``values``), the grammar of each message (``pacs``, ``camt``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ledger.reconciliation.xml_tree import Element
from node.iso20022.errors import UnacceptableMessageError, UnwritableMessageError
from node.iso20022.values import Amount, RefusedTextError, Value, parse_amount

NOT_ADMITTED = "CH17"
"""Reason code ElementNotAdmitted."""

MISSING = "CH21"
"""Reason code RequiredCompulsoryElementMissing."""

WRONG_SUM = "AM10"
"""Reason code InvalidControlSum."""

_SPACE = " \t\r\n"

_CODES_BY_PLACE = {
    ("AC01", "DbtrAcct"): "AC02",
    ("AC01", "CdtrAcct"): "AC03",
    ("RC01", "DbtrAgt"): "RC03",
    ("RC01", "CdtrAgt"): "RC04",
}
"""Reason codes that tell more where the place is known."""


@dataclass(frozen=True, slots=True)
class Money:
    """Content of an amount: decimal text, and the currency as an attribute."""

    positive: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """An element that is a field.

    Args:
        tag: its name.
        name: of the field.
        content: what it holds.
        required: it must be there; of several, at least one.
        most: None for a field of one value, else how many values the field's tuple may hold.
    """

    tag: str
    name: str
    content: Content
    required: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Inside:
    """An element that is no field of its own: its children are fields of the same value."""

    tag: str
    steps: tuple[Step, ...]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Computed:
    """An element that follows from the value.

    Args:
        content: its type.
        compute: what it must say; None where it has nothing to say and is not written.
        code: reason code where it says something else.
        required: it must be there.
    """

    tag: str
    content: Value[Any]
    compute: Callable[[Any], Any]
    code: str = WRONG_SUM
    required: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not fit together in a value.

    Args:
        place: path below the value's own element; empty for that element.
        value: what stands there.
        reason: what is wrong, and what would be right.
        code: reason code of the answer.
    """

    place: str
    value: str
    reason: str
    code: str


def nothing_wrong(_: Any) -> Iterator[Finding]:
    """Find nothing: the rule of a record whose elements say all there is to check."""
    return iter(())


@dataclass(frozen=True, slots=True)
class Record:
    """A sequence of elements that makes one value.

    Args:
        make: the value's type.
        steps: the elements, in order.
        rule: finds what does not fit together, reading and writing.
    """

    make: type
    steps: tuple[Step, ...]
    rule: Callable[[Any], Iterator[Finding]] = nothing_wrong


@dataclass(frozen=True, slots=True)
class Choice:
    """One element out of several, told apart by the type of the value: name, its type, what it holds."""

    options: tuple[tuple[str, type, Content], ...]


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A value of one field in an element of its own, so that the type tells which element it was."""

    make: type
    content: Value[Any]


Step = Part | Inside | Computed
Content = Value[Any] | Money | Record | Choice | Wrapped


@dataclass(slots=True)
class Reader:
    """Reads one message.

    Args:
        namespace: of every element.
        lines: where each path stood, for errors found later.
    """

    namespace: str
    lines: dict[str, int] = field(default_factory=dict)

    def read(self, content: Content, element: Element, path: str) -> Any:
        """Return the value of an element.

        Raises:
            UnacceptableMessageError: something in it has no place, is missing, or is none of its type.
        """
        self.lines[path] = element.line
        match content:
            case Value():
                return self._value(content, element, path)
            case Wrapped():
                return content.make(self._value(content.content, element, path))
            case Money():
                return self._amount(content, element, path)
            case Choice():
                return self._choice(content, element, path)
            case Record():
                return self._record(content, element, path)

    def _record(self, record: Record, element: Element, path: str) -> Any:
        fields: dict[str, Any] = {}
        computed: list[tuple[Computed, Element, str, Any]] = []
        self._sequence(record.steps, element, path, fields, computed)
        if not fields:
            raise _refused(element, path, "", "is empty: leave it out", MISSING)
        made = record.make(**fields)
        for step, place, place_path, told in computed:
            expected = step.compute(made)
            if told != expected:
                known = "nothing" if expected is None else step.content.show(expected)
                raise _refused(
                    place, place_path, _raw(place), f"does not fit: the message itself gives {known}", step.code
                )
        for found in record.rule(made):
            where = f"{path}/{found.place}" if found.place else path
            raise UnacceptableMessageError(
                self.lines.get(where, element.line), where, found.value, found.reason, found.code
            )
        return made

    def _sequence(
        self,
        steps: tuple[Step, ...],
        element: Element,
        path: str,
        fields: dict[str, Any],
        computed: list[tuple[Computed, Element, str, Any]],
    ) -> None:
        self._check_holds_elements(element, path)
        waiting = list(reversed(element.children))
        tags = [step.tag for step in steps]
        for step in steps:
            most = step.most if isinstance(step, Part) and step.most is not None else 1
            found: list[Element] = []
            while waiting and waiting[-1].name == step.tag and len(found) < most:
                found.append(waiting.pop())
            if not found and step.required:
                raise self._without(step.tag, waiting, tags, element, path)
            if found:
                self._take(step, found, path, fields, computed)
        if waiting:
            raise self._left_over(waiting[-1], tags, path)

    def _take(
        self,
        step: Step,
        found: list[Element],
        path: str,
        fields: dict[str, Any],
        computed: list[tuple[Computed, Element, str, Any]],
    ) -> None:
        place = f"{path}/{step.tag}"
        match step:
            case Part(most=None):
                fields[step.name] = self.read(step.content, found[0], place)
            case Part():
                fields[step.name] = tuple(
                    self.read(step.content, each, f"{place}[{number}]") for number, each in enumerate(found, start=1)
                )
            case Inside():
                before = len(fields) + len(computed)
                self.lines[place] = found[0].line
                self._sequence(step.steps, found[0], place, fields, computed)
                if len(fields) + len(computed) == before:
                    raise _refused(found[0], place, "", "is empty: leave it out", MISSING)
            case Computed():
                computed.append((step, found[0], place, self.read(step.content, found[0], place)))

    def _without(
        self, tag: str, waiting: list[Element], tags: list[str], element: Element, path: str
    ) -> UnacceptableMessageError:
        """What is missing may only stand too late, or behind something unknown: then that is what to name."""
        if waiting and (waiting[-1].name not in tags or any(other.name == tag for other in waiting)):
            return self._left_over(waiting[-1], tags, path)
        return _refused(element, path, "", f"must hold one {tag}", MISSING)

    def _left_over(self, element: Element, tags: list[str], path: str) -> UnacceptableMessageError:
        reason = "stands in the wrong place, or too often" if element.name in tags else "is not supported: leave it out"
        return _refused(element, f"{path}/{element.name}", _raw(element), reason, NOT_ADMITTED)

    def _choice(self, choice: Choice, element: Element, path: str) -> Any:
        self._check_holds_elements(element, path)
        names = " or ".join(tag for tag, _, _ in choice.options)
        if not element.children:
            raise _refused(element, path, "", f"must hold one {names}", MISSING)
        first, *more = element.children
        for tag, _, content in choice.options:
            if first.name == tag:
                if more:
                    raise _refused(
                        more[0], f"{path}/{more[0].name}", _raw(more[0]), f"is one too many: give one {names}",
                        NOT_ADMITTED,
                    )  # fmt: skip
                return self.read(content, first, f"{path}/{tag}")
        raise _refused(first, f"{path}/{first.name}", _raw(first), f"is not supported: give {names}", NOT_ADMITTED)

    def _value(self, value: Value[Any], element: Element, path: str) -> Any:
        self._check_attributes(element, path)
        return self._parsed(lambda: value.parse(self._text(element, path)), element, path, _raw(element))

    def _amount(self, money: Money, element: Element, path: str) -> Amount:
        currency = element.attributes.get("Ccy")
        if currency is None:
            raise _refused(element, f"{path}/@Ccy", "", "is missing", MISSING)
        self._check_attributes(element, path, "Ccy")
        text = self._text(element, path)
        amount: Amount = self._parsed(lambda: parse_amount(text, currency), element, path, f"{text} {currency}")
        if money.positive and amount.minor == 0:
            raise _refused(element, path, text, "moves nothing", "AM01")
        return amount

    def _parsed(self, parse: Callable[[], Any], element: Element, path: str, shown: str) -> Any:
        try:
            return parse()
        except RefusedTextError as error:
            raise _refused(element, path, shown, error.reason, error.code) from error

    def _text(self, element: Element, path: str) -> str:
        if element.children:
            child = element.children[0]
            raise _refused(
                child, f"{path}/{child.name}", _raw(child), f"has no place: {element.name} holds text", NOT_ADMITTED
            )
        return _raw(element)

    def _check_holds_elements(self, element: Element, path: str) -> None:
        self._check_attributes(element, path)
        if text := _raw(element).strip(_SPACE):
            raise _refused(element, path, text, "is text between elements", NOT_ADMITTED)
        for child in element.children:
            if child.namespace != self.namespace:
                reason = f"is of another namespace than {self.namespace}"
                raise _refused(
                    child, f"{path}/{{{child.namespace}}}{child.name}", child.namespace, reason, NOT_ADMITTED
                )

    def _check_attributes(self, element: Element, path: str, *known: str) -> None:
        for name, value in element.attributes.items():
            if name not in known:
                reason = "is no attribute that has a meaning here: leave it out"
                raise _refused(element, f"{path}/@{name.rpartition(' ')[2]}", value, reason, NOT_ADMITTED)


def _raw(element: Element) -> str:
    return "".join(element.pieces)


def _refused(element: Element, path: str, value: str, reason: str, code: str) -> UnacceptableMessageError:
    for (known, place), better in _CODES_BY_PLACE.items():
        if code == known and f"/{place}/" in path:
            return UnacceptableMessageError(element.line, path, value, reason, better)
    return UnacceptableMessageError(element.line, path, value, reason, code)


@dataclass(frozen=True, slots=True)
class Node:
    """An element to be written.

    Args:
        tag: its name.
        path: names from the root, with numbers where the element may stand several times.
        text: its text; None where it holds elements.
        currency: of an amount; empty for none.
        children: its elements.
    """

    tag: str
    path: str
    text: str | None = None
    currency: str = ""
    children: tuple[Node, ...] = ()

    def leaves(self) -> Iterator[Node]:
        """Yield all elements with text, in order."""
        if self.text is not None:
            yield self
        for child in self.children:
            yield from child.leaves()


def write(content: Content, value: Any, tag: str, path: str) -> Node:
    """Return the element of a value.

    Raises:
        UnwritableMessageError: a value that its element cannot carry, or one that is missing.
    """
    match content:
        case Value():
            return Node(tag, path, _shown(content, value, path))
        case Wrapped():
            return Node(tag, path, _shown(content.content, value.value, path))
        case Money():
            return _written_amount(content, value, tag, path)
        case Choice():
            for option, kind, inner in content.options:
                # The exact type: a datetime is a date to Python, and another element here.
                if type(value) is kind:
                    return Node(tag, path, children=(write(inner, value, option, f"{path}/{option}"),))
            raise UnwritableMessageError(path, value, "is of no type that stands here")
        case Record():
            if type(value) is not content.make:
                raise UnwritableMessageError(path, value, f"is no {content.make.__name__}")
            children = tuple(_written_steps(content.steps, value, path))
            if not children:
                raise UnwritableMessageError(path, value, "is empty: leave it out")
            for found in content.rule(value):
                where = f"{path}/{found.place}" if found.place else path
                raise UnwritableMessageError(where, found.value, found.reason)
            return Node(tag, path, children=children)


def _written_steps(steps: tuple[Step, ...], value: Any, path: str) -> Iterator[Node]:
    for step in steps:
        place = f"{path}/{step.tag}"
        match step:
            case Part():
                yield from _written_part(step, getattr(value, step.name), place)
            case Inside():
                if step.required or any(_given(inner, value) for inner in step.steps):
                    yield Node(step.tag, place, children=tuple(_written_steps(step.steps, value, place)))
            case Computed():
                expected = step.compute(value)
                if expected is not None:
                    yield Node(step.tag, place, _shown(step.content, expected, place))


def _given(step: Step, value: Any) -> bool:
    match step:
        case Part():
            return getattr(value, step.name) not in (None, ())
        case Inside():
            return any(_given(inner, value) for inner in step.steps)
        case Computed():
            return step.compute(value) is not None


def _written_part(part: Part, value: Any, place: str) -> Iterator[Node]:
    if value is None or value == ():
        if part.required:
            raise UnwritableMessageError(place, value, "is missing")
        return
    if part.most is None:
        yield write(part.content, value, part.tag, place)
        return
    if not isinstance(value, tuple) or len(value) > part.most:
        raise UnwritableMessageError(place, value, f"must be a tuple of at most {part.most}")
    for number, each in enumerate(value, start=1):
        yield write(part.content, each, part.tag, f"{place}[{number}]")


def _written_amount(money: Money, value: Amount, tag: str, path: str) -> Node:
    try:
        if parse_amount(value.text, value.asset.code) != value:
            raise RefusedTextError(f"is no amount of {value.asset.code}")
    except RefusedTextError as error:
        raise UnwritableMessageError(path, value, error.reason) from error
    if money.positive and value.minor == 0:
        raise UnwritableMessageError(path, value, "moves nothing")
    return Node(tag, path, value.text, value.asset.code)


def _shown(value: Value[Any], given: Any, path: str) -> str:
    try:
        return value.text(given)
    except RefusedTextError as error:
        raise UnwritableMessageError(path, given, error.reason) from error
