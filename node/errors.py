"""Errors of ``node``, one tree.

NodeError
├── ConfigurationError   a setting, folder or file that cannot be used; the sentence says which and what to do
├── PostgresError        the organization's database server cannot be started, reached or trusted
└── SupervisorError      a process of the consortium did not start, or died
"""

from __future__ import annotations


class NodeError(Exception):
    """Base of the errors that a user of ``node`` sees: one clear sentence each."""


class ConfigurationError(NodeError):
    """A setting, folder or file cannot be used."""


class PostgresError(NodeError):
    """The organization's database server cannot be started, reached or trusted."""


class SupervisorError(NodeError):
    """A process of the consortium did not start, or died."""


def one_line(error: Exception) -> str:
    """Return what an error says in one line: of a process that did not start the last line of its log is shown."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())
