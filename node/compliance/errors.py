"""Errors of ``node.compliance``.

NodeError
└── ComplianceError
    ├── RulesError           a rules file that cannot be understood; names the setting
    ├── DecisionStoreError   the database refused a statement of the decision records
    └── EpochError           decision records that do not make the epoch asked for
"""

from __future__ import annotations

from node.errors import NodeError


class ComplianceError(NodeError):
    """Base of what goes wrong with the screening of entries."""


class RulesError(ComplianceError):
    """A rules file cannot be understood."""


class DecisionStoreError(ComplianceError):
    """The database refused a statement of the decision records."""


class EpochError(ComplianceError):
    """The decision records do not make the epoch asked for."""
