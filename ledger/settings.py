"""Settings files: YAML read level by level, every setting checked, and what nobody asked for refused by its path.

An unknown setting is refused because a misspelt one would silently do nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ledger.errors import InvalidValueError, MappingError
from ledger.money import AMOUNT_MAX, SCALE_MAX, Asset, parse_decimal


def read_text(path: Path) -> str:
    """Return the text of a settings file.

    Raises:
        MappingError: it cannot be read, or is no UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise MappingError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MappingError(str(path), "is not written in UTF-8") from error


def parse_settings(text: str) -> Settings:
    """Return the uppermost level of a YAML text.

    Raises:
        MappingError: not YAML, or no settings with names.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise MappingError("(whole file)", "is not YAML") from error
    except (ValueError, RecursionError) as error:  # of a day or number that YAML takes it for, and there is none such
        raise MappingError("(whole file)", f"has a value that cannot be: {error}") from error
    return Settings(content, "")


class Settings:
    """One level of the file; remembers what was asked for, so that the rest can be refused."""

    def __init__(self, content: Any, path: str) -> None:
        if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
            raise MappingError(path or "(whole file)", "must be settings with names")
        self._content: dict[str, Any] = content
        self._path = path
        self._asked: set[str] = set()

    def path(self, name: str) -> str:
        """Return the path of a setting of this level."""
        return f"{self._path}.{name}" if self._path else name

    def has(self, name: str) -> bool:
        """Tell whether a setting is given."""
        return name in self._content

    def names(self) -> list[str]:
        """Return the names of all settings of this level."""
        return list(self._content)

    def _get(self, name: str, default: Any = None) -> Any:
        self._asked.add(name)
        value = self._content.get(name, default)
        if value is None:
            raise MappingError(self.path(name), "is missing")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text."""
        value = self._get(name, default)
        if not isinstance(value, str):
            raise MappingError(self.path(name), "must be text: put it in quotes")
        return value

    def character(self, name: str, default: str) -> str:
        """Return a text of one character."""
        value = self.text(name, default)
        if len(value) != 1 or value in "\r\n":
            raise MappingError(self.path(name), "must be one character")
        return value

    def number(self, name: str, default: int | None = None) -> int:
        """Return a whole number."""
        value = self._get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise MappingError(self.path(name), "must be a whole number")
        return value

    def flag(self, name: str) -> bool:
        """Return true or false; false where it is not given."""
        value = self._get(name, False)
        if not isinstance(value, bool):
            raise MappingError(self.path(name), "must be true or false")
        return value

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> list[str]:
        """Return a list of texts; a text alone is a list of one."""
        value = self._get(name, default)
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list | tuple) or not all(isinstance(item, str) for item in listed):
            raise MappingError(self.path(name), "must be text or a list of texts")
        return list(listed)

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        """Return a text that is one of the choices."""
        value = self.text(name)
        if value not in choices:
            raise MappingError(self.path(name), f"must be one of {', '.join(choices)}")
        return value

    def part(self, name: str) -> Settings:
        """Return the settings one level below."""
        return Settings(self._get(name), self.path(name))

    def parts(self, name: str) -> list[Settings]:
        """Return a list of settings one level below."""
        value = self._get(name)
        if not isinstance(value, list):
            raise MappingError(self.path(name), "must be a list")
        return [Settings(item, f"{self.path(name)}[{i}]") for i, item in enumerate(value)]

    def refuse_rest(self) -> None:
        """Refuse what stands here and nobody asked for."""
        for name in self._content:
            if name not in self._asked:
                raise MappingError(self.path(name), "is no setting here")


def read_asset(settings: Settings) -> Asset:
    """Return the asset that a level with ``code`` and ``scale`` describes."""
    scale = settings.number("scale")
    if not 0 <= scale <= SCALE_MAX:
        raise MappingError(settings.path("scale"), f"give 0 to {SCALE_MAX}")
    asset = Asset(settings.text("code"), scale)
    settings.refuse_rest()
    return asset


def minor_units(settings: Settings, name: str, asset: Asset) -> int | None:
    """Return minor units of a decimal text; None where it is not given."""
    text = settings.text(name, "")
    if not text:
        return None
    try:
        value = parse_decimal(text, asset.scale, name)
    except InvalidValueError as error:
        raise MappingError(settings.path(name), error.reason) from error
    assert abs(value) <= AMOUNT_MAX
    return value
