"""Changes to a channel's configuration: who may change which element, and what the result is.

Rules kept here, in Fabric's own order:

1. Every element of the read set stands in the current configuration at the same version.
2. What the write set gives with another version than the read set is the change; an empty change is refused.
3. A new element has version 0; a changed one the next version, and the modification policy *of the current* element is
   satisfied by the update's signatures.
4. The result is the current configuration overlaid with the change. What a changed group no longer lists is gone.

Refusals are in Fabric's words, which its administrators know and search for.

Left to others: whether the result is a sound configuration (`network.channel_config`).

Source: Fabric 3.1 common/configtx/update.go, configmap.go, validator.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2
from google.protobuf.message import DecodeError

from network.errors import ConfigError, PolicyNotSatisfiedError
from network.map_entries import read_message
from network.policy import Policy, PolicyTree, SignaturePolicy, SignedData
from network.proposal import NO_MESSAGE

ROOT = "Channel"
"""Name of the root group."""

_ID = re.compile(r"[a-zA-Z0-9.-]+")
_ID_BYTES_MAX = 249
_ORDERER_CAPABILITIES = ("Value", (ROOT, "Orderer"), "Capabilities")

_KINDS = {"Group": "[Group]  ", "Value": "[Value]  ", "Policy": "[Policy] "}
"""How a Fabric administrator reads of an element of each kind."""

_Key = tuple[str, tuple[str, ...], str]
"""Kind ("Group", "Value", "Policy"), path of the group it stands in, own name."""


@dataclass(frozen=True, slots=True)
class Element:
    """One group, value or policy of a configuration, apart from what lies below it.

    Attributes:
        key: kind, path and name.
        message: the ``ConfigGroup``, ``ConfigValue`` or ``ConfigPolicy``.
    """

    key: _Key
    message: configtx_pb2.ConfigGroup | configtx_pb2.ConfigValue | configtx_pb2.ConfigPolicy

    @property
    def version(self) -> int:
        """Count of the changes made to this element."""
        version: int = self.message.version
        return version

    @property
    def mod_policy(self) -> str:
        """Name of the policy that may change it."""
        name: str = self.message.mod_policy
        return name


def check_element_id(name: str) -> None:
    """Refuse a name that no element of a configuration may have.

    Raises:
        ConfigError: empty, longer than 249, ``.``, ``..``, or with characters other than letters, digits, dot and dash.
    Source: Fabric common/configtx/validator.go, validateConfigID.
    """
    if not name:
        raise ConfigError("config ID illegal, cannot be empty")
    if len(name.encode()) > _ID_BYTES_MAX:
        raise ConfigError(f"config ID illegal, cannot be longer than {_ID_BYTES_MAX}")
    if name in (".", ".."):
        raise ConfigError(f"name '{name}' for config ID is not allowed")
    if _ID.fullmatch(name) is None:
        raise ConfigError(f"config ID '{name}' contains illegal characters")


def elements_of(group: configtx_pb2.ConfigGroup) -> dict[_Key, Element]:
    """Lay a tree of groups out flat.

    Args:
        group: the root group.
    Raises:
        ConfigError: an element has a forbidden name.
    Source: Fabric common/configtx/configmap.go, mapConfig.
    """
    found: dict[_Key, Element] = {}
    _collect(found, (ROOT,), group)
    return found


def authorized_result(
    channel_id: str,
    current: configtx_pb2.ConfigGroup,
    policies: PolicyTree,
    update: configtx_pb2.ConfigUpdateEnvelope,
) -> configtx_pb2.ConfigGroup:
    """Apply an update to a configuration, if its signatures allow it.

    Args:
        channel_id: the channel it must be for.
        current: root group in force; not changed.
        policies: the policies in force.
        update: change and signatures.
    Returns:
        the root group after the update.
    Raises:
        ConfigError: malformed, for another channel, made for another state of the configuration, or not authorized.
    Source: Fabric common/configtx/update.go, authorizeUpdate.
    """
    try:
        config_update = read_message(configtx_pb2.ConfigUpdate, update.config_update)
    except DecodeError as error:
        raise ConfigError(NO_MESSAGE) from error
    if config_update.channel_id != channel_id:
        raise ConfigError(
            f"ConfigUpdate for channel '{config_update.channel_id}' but envelope for channel '{channel_id}'"
        )
    existing = elements_of(current)
    read_set = _set_of(config_update, "read_set", "ReadSet")
    _check_read_set(read_set, existing)
    write_set = _set_of(config_update, "write_set", "WriteSet")
    change = {key: element for key, element in write_set.items() if not _same_version(read_set.get(key), element)}
    signed = signatures_of(update)
    try:
        _check_change(change, existing, policies, signed)
    except ConfigError as error:
        raise ConfigError(f"error validating DeltaSet: {error}") from error
    # The overlay removes nothing; which elements the result holds is decided by the groups' own lists of members.
    return _tree((ROOT,), {**existing, **change})


def update_of(envelope: common_pb2.Envelope) -> configtx_pb2.ConfigUpdateEnvelope:
    """Return the update an envelope of type CONFIG_UPDATE carries.

    Raises:
        ConfigError: malformed, or of another type.
    Source: Fabric protoutil/txutils.go, EnvelopeToConfigUpdate.
    """
    payload = _read(common_pb2.Payload, envelope.payload)
    header = _read(common_pb2.ChannelHeader, payload.header.channel_header)
    if header.type != common_pb2.CONFIG_UPDATE:
        raise ConfigError(f"ChannelHeader.type is {header.type}; an update needs CONFIG_UPDATE (2)")
    try:
        return read_message(configtx_pb2.ConfigUpdateEnvelope, payload.data)
    except DecodeError as error:
        failed = f"error unmarshalling message for type CONFIG_UPDATE: {NO_MESSAGE}"
        raise ConfigError(f"error converting envelope to config update: {failed}") from error


def signatures_of(update: configtx_pb2.ConfigUpdateEnvelope) -> list[SignedData]:
    """Return the signatures an update carries, each with the bytes it was made over.

    Raises:
        ConfigError: a signature header is malformed.
    Source: Fabric protoutil/signeddata.go, ConfigUpdateEnvelopeAsSignedData.
    """
    content = update.config_update
    creators: dict[bytes, bytes] = {}
    signed = []
    for item in update.signatures:
        header = item.signature_header
        if header not in creators:
            try:
                creators[header] = read_message(common_pb2.SignatureHeader, header).creator
            except DecodeError as error:
                raise ConfigError(NO_MESSAGE) from error
        # Any client may send half a million signatures beside megabytes of change: nothing is done twice for them.
        signed.append(SignedData(header, creators[header], item.signature, content))
    return signed


def _collect(found: dict[_Key, Element], path: tuple[str, ...], group: configtx_pb2.ConfigGroup) -> None:
    parent, name = path[:-1], path[-1]
    _add(found, ("Group", parent, name), group)
    for below, message in group.groups.items():
        _collect(found, (*path, below), message)
    for below, message in group.values.items():
        _add(found, ("Value", path, below), message)
    for below, message in group.policies.items():
        _add(found, ("Policy", path, below), message)


def _add(
    found: dict[_Key, Element],
    key: _Key,
    message: configtx_pb2.ConfigGroup | configtx_pb2.ConfigValue | configtx_pb2.ConfigPolicy,
) -> None:
    try:
        check_element_id(key[2])
    except ConfigError as error:
        raise ConfigError(f"illegal characters in key: {_KINDS[key[0]]}: {error}") from error
    found[key] = Element(key, message)


def _set_of(update: configtx_pb2.ConfigUpdate, field: str, name: str) -> dict[_Key, Element]:
    if not update.HasField(field):
        return {}
    try:
        return elements_of(getattr(update, field))
    except ConfigError as error:
        raise ConfigError(f"error mapping {name}: {error}") from error


def _check_read_set(read_set: Mapping[_Key, Element], existing: Mapping[_Key, Element]) -> None:
    failed = "error validating ReadSet: "
    for key, element in read_set.items():
        if key not in existing:
            raise ConfigError(
                f"{failed}existing config does not contain element for {_name(key)} but was in the read set"
            )
        if existing[key].version != element.version:
            raise ConfigError(
                f"{failed}proposed update requires that key {_name(key)} be at version {element.version}, but it is "
                f"currently at version {existing[key].version}"
            )


def _same_version(read: Element | None, written: Element) -> bool:
    return read is not None and read.version == written.version


def _check_change(
    change: Mapping[_Key, Element],
    existing: Mapping[_Key, Element],
    policies: PolicyTree,
    signed: Sequence[SignedData],
) -> None:
    if not change:
        raise ConfigError("delta set was empty -- update would have no effect")
    for key, element in change.items():
        _check_mod_policy(element)
        current = existing.get(key)
        if current is None:
            if element.version != 0:
                raise ConfigError(
                    f"attempted to set key {_name(key)} to version {element.version}, but key does not exist"
                )
            continue
        if element.version != current.version + 1:
            raise ConfigError(
                f"attempt to set key {_name(key)} to version {element.version}, but key is at version {current.version}"
            )
        policy = _policy_for(current, policies)
        if policy is None:
            raise ConfigError(f"unexpected missing policy {current.mod_policy} for item {_name(key)}")
        try:
            policy.evaluate(signed)
        except PolicyNotSatisfiedError as error:
            reason = "signature set did not satisfy policy" if isinstance(policy, SignaturePolicy) else error
            raise ConfigError(f"policy for {_name(key)} not satisfied: {reason}") from error


def _check_mod_policy(element: Element) -> None:
    invalid = f"invalid mod_policy for element {_name(element.key)}: "
    if not element.mod_policy:
        raise ConfigError(f"{invalid}mod_policy not set")
    for position, part in enumerate(element.mod_policy.removeprefix("/").split("/")):
        try:
            check_element_id(part)
        except ConfigError as error:
            raise ConfigError(f"{invalid}path element at {position} is invalid: {error}") from error


def _policy_for(element: Element, policies: PolicyTree) -> Policy | None:
    """Find the policy that guards an element: relative names start at its own group."""
    kind, path, name = element.key
    if element.mod_policy.startswith("/") or not path:
        return policies.find(element.mod_policy)
    tree = policies.tree((*path[1:], name) if kind == "Group" else path[1:])
    return None if tree is None else tree.find(element.mod_policy)


def _tree(path: tuple[str, ...], elements: Mapping[_Key, Element]) -> configtx_pb2.ConfigGroup:
    """Build the group at a path from the flat elements, which hold whatever a group among them lists.

    Source: Fabric configmap.go, recurseConfigMap.
    """
    group = configtx_pb2.ConfigGroup()
    group.CopyFrom(elements["Group", path[:-1], path[-1]].message)
    for name in list(group.groups):
        group.groups[name].CopyFrom(_tree((*path, name), elements))
    for name in list(group.values):
        group.values[name].CopyFrom(elements["Value", path, name].message)
    for name in list(group.policies):
        group.policies[name].CopyFrom(elements["Policy", path, name].message)
    if _ORDERER_CAPABILITIES in elements:
        # Fabric heals configurations written by its version 1.0, which left modification policies out.
        for message in (group, *group.values.values(), *group.policies.values()):
            message.mod_policy = message.mod_policy or "Admins"
    return group


def _name(key: _Key) -> str:
    kind, path, name = key
    return f"{_KINDS[kind]}/{'/'.join((*path, name))}"


def _read(kind: Any, data: bytes) -> Any:
    try:
        return read_message(kind, data)
    except DecodeError as error:
        raise ConfigError(f"{kind.DESCRIPTOR.name}: the update's bytes are not that message") from error
