"""Who is who: the organizations behind BICs and LEIs, and the accounts behind account numbers.

Nobody chooses bank or account by what he writes into a message: what the directory does not list is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger.account import check_reference
from ledger.errors import InvalidValueError, MappingError
from ledger.reconciliation.statement_account import normal_number
from ledger.settings import Settings, parse_settings
from node.iso20022.content import Account, Agent, Iban
from node.iso20022.values import BIC, LEI, RefusedTextError

_HEAD_OFFICE = "XXX"
"""Branch code that a BIC of eight characters leaves out."""


@dataclass(frozen=True, slots=True)
class Directory:
    """What a directory file says.

    Args:
        own_msp_id: this bank.
        banks: MSP id for each BIC (without the head office's branch code) and LEI.
        accounts: account reference for each number, without blanks and in capitals.
    """

    own_msp_id: str
    banks: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)

    def bank(self, agent: Agent) -> str | None:
        """Return the organization of an agent; None where a name of it is not listed, or its names disagree."""
        names = [_bank_name(name) for name in (agent.bic, agent.lei) if name is not None]
        found = {self.banks.get(name) for name in names}
        return found.pop() if len(found) == 1 else None

    def own_account(self, account: Account) -> str | None:
        """Return the reference of an account of ours; None where it is not listed."""
        number = account.id.value if isinstance(account.id, Iban) else account.id.id
        return self.accounts.get(normal_number(number))

    def other_account(self, account: Account) -> str | None:
        """Return the reference of an account at another bank: listed, or written as that bank's own reference."""
        if (listed := self.own_account(account)) is not None:
            return listed
        if isinstance(account.id, Iban) or account.id.scheme is not None or account.id.issuer is not None:
            return None
        try:
            return check_reference(account.id.id)
        except InvalidValueError:
            return None


def parse_directory(text: str) -> Directory:
    """Return the directory of a YAML text.

    Raises:
        MappingError: not YAML, an unknown or missing setting, a name that is neither BIC nor LEI, or one named twice.
    """
    top = parse_settings(text)
    own = top.text("own")
    banks: dict[str, str] = {}
    for part in top.parts("banks"):
        _add_bank(part, banks)
    if own not in banks.values():
        raise MappingError("own", "must be one of the banks")
    accounts: dict[str, str] = {}
    for part in top.parts("accounts") if top.has("accounts") else ():
        _add_account(part, accounts)
    top.refuse_rest()
    return Directory(own, banks, accounts)


def _add_bank(part: Settings, banks: dict[str, str]) -> None:
    msp_id = part.text("msp_id")
    for name in part.texts("names"):
        try:
            (LEI if len(name) > len("DEUTDEFF500") else BIC).parse(name)
        except RefusedTextError as error:
            raise MappingError(part.path("names"), f"{name} {error.reason}") from error
        if _bank_name(name) in banks:
            raise MappingError(part.path("names"), f"{name} stands twice")
        banks[_bank_name(name)] = msp_id
    part.refuse_rest()


def _add_account(part: Settings, accounts: dict[str, str]) -> None:
    number = normal_number(part.text("number"))
    if number in accounts:
        raise MappingError(part.path("number"), "stands twice")
    try:
        accounts[number] = check_reference(part.text("account"))
    except InvalidValueError as error:
        raise MappingError(part.path("account"), error.reason) from error
    part.refuse_rest()


def _bank_name(name: str) -> str:
    return name.removesuffix(_HEAD_OFFICE) if len(name) == len("DEUTDEFFXXX") else name
