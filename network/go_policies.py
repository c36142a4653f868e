"""Whether the certificate policies along a chain hold, as Go judges them where nobody asks for a certain one.

An authority may demand that every certificate below it was issued under some policy; those are drawn into a graph, one
depth for each certificate from the root down, and in the end some must be left.

Source: Go 1.26, crypto/x509/verify.go (policiesValid, policyGraph); RFC 5280 section 6.1, RFC 9618.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from network.go_certificate import Certificate

_ANY = b"\x55\x1d\x20\x00"


@dataclass(eq=False, slots=True)
class _Node:
    """A policy at one depth of the graph."""

    policy: bytes
    parents: list[_Node]
    expected: Sequence[bytes]
    children: set[_Node] = field(default_factory=set)


class _Graph:
    """The policies that hold at each depth."""

    def __init__(self) -> None:
        self._depths: list[dict[bytes, _Node]] = [{_ANY: _Node(_ANY, [], (_ANY,))}]

    def descend(self, policies: Sequence[bytes], *, any_counts: bool) -> None:
        """Add a certificate's policies below those that hold so far."""
        above = self._depths[-1]
        expecting: dict[bytes, list[_Node]] = {}
        for node in above.values():
            for policy in node.expected:
                expecting.setdefault(policy, []).append(node)
        self._depths.append({})
        any_above = [node for node in above.values() if node.policy == _ANY]
        for policy in policies:
            if policy != _ANY and (parents := expecting.get(policy, any_above)):
                self._insert(policy, parents, (policy,))
        if _ANY in policies and any_counts:
            leaves = self._depths[-1]
            missing = {policy: nodes for policy, nodes in expecting.items() if policy not in leaves}
            for policy, nodes in missing.items():
                self._insert(policy, nodes, (policy,))
        self.prune()

    def rename(self, mappings: Sequence[tuple[bytes, bytes]]) -> None:
        """Let what follows be told by the names of the subject's domain."""
        renamed: dict[bytes, list[bytes]] = {}
        for issuer, subject in mappings:
            renamed.setdefault(issuer, []).append(subject)
        leaves = self._depths[-1]
        for issuer, subjects in renamed.items():
            if issuer in leaves:
                leaves[issuer].expected = subjects
            elif _ANY in leaves:
                self._insert(issuer, [leaves[_ANY]], subjects)

    def remove(self, policy: bytes) -> None:
        """Take a policy away from the lowest depth."""
        node = self._depths[-1].pop(policy, None)
        if node is not None:
            for parent in node.parents:
                parent.children.discard(node)

    def prune(self) -> None:
        """Take away what nothing at the lowest depth comes from."""
        for depth in reversed(self._depths[1:-1]):
            for node in [node for node in depth.values() if not node.children]:
                del depth[node.policy]
                for parent in node.parents:
                    parent.children.discard(node)

    def any_left(self) -> bool:
        """Tell whether a policy holds from the root down."""
        if _ANY in self._depths[-1]:
            return True
        return any(
            node.policy != _ANY and len(node.parents) == 1 and node.parents[0].policy == _ANY
            for depth in self._depths
            for node in depth.values()
        )

    def _insert(self, policy: bytes, parents: list[_Node], expected: Sequence[bytes]) -> None:
        node = _Node(policy, list(dict.fromkeys(parents)), expected)
        for parent in node.parents:
            parent.children.add(node)
        self._depths[-1][policy] = node


def policies_hold(chain: Sequence[Certificate]) -> bool:
    """Tell whether a chain satisfies what its authorities demand.

    Args:
        chain: from the certificate itself up to the root, which is trusted whatever it says.
    """
    return len(chain) == 1 or _Walk(len(chain) - 1).holds(chain)


class _Walk:
    """Counts how many more certificates may go without."""

    def __init__(self, length: int) -> None:
        self.explicit = self.mapping = self.any_policy = length + 1
        self.graph: _Graph | None = _Graph()

    def holds(self, chain: Sequence[Certificate]) -> bool:
        for number in range(len(chain) - 2, -1, -1):
            if not self._descend(chain[number], is_last=number == 0):
                return False
        explicit = 0 if chain[0].explicit_policy == 0 else self.explicit - (self.explicit > 0)
        return explicit != 0 or (self.graph is not None and self.graph.any_left())

    def _descend(self, certificate: Certificate, *, is_last: bool) -> bool:
        is_self_issued = certificate.issuer == certificate.subject
        if not certificate.policies:
            self.graph = None
        if self.explicit == 0 and self.graph is None:
            return False
        if self.graph is not None:
            any_counts = self.any_policy > 0 or (not is_last and is_self_issued)
            self.graph.descend(certificate.policies, any_counts=any_counts)
            if not is_last and certificate.policy_mappings and not self._map(certificate.policy_mappings):
                return False
        if not is_last:
            self._count(certificate, is_self_issued=is_self_issued)
        return True

    def _map(self, mappings: Sequence[tuple[bytes, bytes]]) -> bool:
        assert self.graph is not None
        if self.mapping > 0:
            if any(_ANY in pair for pair in mappings):
                return False
            self.graph.prune()
            self.graph.rename(mappings)
        else:
            for issuer, _ in mappings:
                self.graph.remove(issuer)
            self.graph.prune()
        return True

    def _count(self, certificate: Certificate, *, is_self_issued: bool) -> None:
        if not is_self_issued:
            self.explicit -= self.explicit > 0
            self.mapping -= self.mapping > 0
            self.any_policy -= self.any_policy > 0
        self.explicit = _lower(self.explicit, certificate.explicit_policy)
        self.mapping = _lower(self.mapping, certificate.policy_mapping)
        self.any_policy = _lower(self.any_policy, certificate.any_policy)


def _lower(count: int, demanded: int | None) -> int:
    return count if demanded is None or demanded < 0 else min(count, demanded)
