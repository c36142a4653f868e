"""ECDSA on P-256 by tables: for keys that sign again and again, in less than half the time.

A verification adds a multiple of the curve's base point to one of the signer's key. For the base point OpenSSL has a
table, and is done in a sixth of the time. A ledger meets few keys very often: those of its peers, orderers and
gateways. So each of them gets a table too, made by OpenSSL and read by OpenSSL.

Rules kept here:

* Only "it holds" is said, and only where the equation of ECDSA was seen to hold. Whatever else there is (a key without
  a table, an integer out of range, a function that fails) is for `cryptography` to judge: see `network.signing`.
* All arithmetic of the curve is OpenSSL's. Here are products and one inverse modulo the order of its group, and the
  comparison of the sum's x with what the signature names: OpenSSL has it as a fraction, X / Z², and dividing would cost
  it a third of one multiple by a table.
* Nothing here is secret, so nothing has to take the same time for all values.

The OpenSSL is the one that Python's own ``ssl`` has loaded; no other file is looked for. Where there is none, or one
that lacks these functions, no key gets a table.

Source: FIPS 186-5, 6.4.2; OpenSSL 3: crypto/ec/ecdsa_ossl.c, and ecp_nistz256.c for tables.
"""

from __future__ import annotations

import _ssl
import ctypes
import hashlib
import threading
from collections.abc import Sequence
from itertools import accumulate
from types import SimpleNamespace
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve's group (FIPS 186-4, D.1.2.3)."""

PRIME: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
"""Of the field of the coordinates."""

USES_BEFORE_TABLE = 1_000
"""So often a key is met before it gets a table, which takes as long to make as it then saves in about as many uses."""

KEYS_MAX = 32
"""Keys remembered, those met last. A table has 150 KiB."""

_NID_P256 = 415
_BYTES = 32

_FUNCTIONS = {
    "BN_CTX_new": ("p", ""),
    "BN_new": ("p", ""),
    "BN_bin2bn": ("p", "dip"),
    "BN_bn2binpad": ("i", "pdi"),
    "EC_GROUP_new_by_curve_name": ("p", "i"),
    "EC_GROUP_dup": ("p", "p"),
    "EC_GROUP_free": ("", "p"),
    "EC_GROUP_get0_order": ("p", "p"),
    "EC_GROUP_get0_cofactor": ("p", "p"),
    "EC_GROUP_set_generator": ("i", "pppp"),
    "EC_GROUP_precompute_mult": ("i", "pp"),
    "EC_GROUP_have_precompute_mult": ("i", "p"),
    "EC_POINT_new": ("p", "p"),
    "EC_POINT_oct2point": ("i", "ppdnp"),
    "EC_POINT_mul": ("i", "pppppp"),
    "EC_POINT_add": ("i", "ppppp"),
    "EC_POINT_cmp": ("i", "pppp"),
    "EC_POINT_get_Jprojective_coordinates_GFp": ("i", "pppppp"),
    "ERR_clear_error": ("", ""),
}
"""What is called of OpenSSL: the kinds of result and arguments, pointers, ints, data, sizes."""

_KINDS = {"p": ctypes.c_void_p, "i": ctypes.c_int, "d": ctypes.c_char_p, "n": ctypes.c_size_t}

_RELEASING = "EC_GROUP_precompute_mult"
"""Takes 30 ms, during which others run. After any other call it would take longer to get the interpreter's lock back
than the call itself does."""


class Check(NamedTuple):
    """Whether a key signed a message of this SHA-256 digest, its signature being these two integers."""

    key: ec.EllipticCurvePublicKey
    digest: bytes
    r: int
    s: int


def python_openssl() -> SimpleNamespace | None:
    """Return the functions of Python's own OpenSSL by their names, or None where it has them not all."""
    file = getattr(_ssl, "__file__", None)
    holding, releasing = ctypes.PyDLL(file), ctypes.CDLL(file)
    functions = SimpleNamespace()
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(releasing if name == _RELEASING else holding, name, None)
        if function is None:
            return None
        function.restype, function.argtypes = _KINDS.get(result), [_KINDS[kind] for kind in arguments]
        setattr(functions, name, function)
    return functions


class _Place:
    """Where one verification is worked out; for one thread at a time."""

    def __init__(self, openssl: SimpleNamespace, curve: int) -> None:
        self.context = openssl.BN_CTX_new()
        self.of_base, self.of_key, self.x, self.z = (openssl.BN_new() for _ in range(4))
        self.sum, self.point = openssl.EC_POINT_new(curve), openssl.EC_POINT_new(curve)
        self.x_bytes, self.z_bytes = ctypes.create_string_buffer(_BYTES), ctypes.create_string_buffer(_BYTES)


class _Group:
    """The curve's group with a key as its base point, and with a table for that."""

    def __init__(self, openssl: SimpleNamespace, curve: int) -> None:
        self.pointer = openssl.EC_GROUP_dup(curve)
        self._free = openssl.EC_GROUP_free

    def __del__(self) -> None:
        # When nobody uses it any more: another thread may still be at it when its key is forgotten.
        self._free(self.pointer)


class _Key:
    """A key that was met."""

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        self.key = key
        """Kept, so that no other object has its address."""
        self.uses = 0
        self.met_last = 0
        """How many uses of all keys there had been."""
        self.group: _Group | None = None


class Tables:
    """Tables of the keys that one process meets most; for all its threads.

    Args:
        openssl: see :func:`python_openssl`.
    """

    def __init__(self, openssl: SimpleNamespace | None) -> None:
        self._openssl = openssl
        self._curve: int = openssl.EC_GROUP_new_by_curve_name(_NID_P256) if openssl else 0
        self._keys: dict[int, _Key] = {}
        self._uses = 0
        self._lock = threading.Lock()
        """Held while a key is added."""
        self._places: list[_Place] = []

    @property
    def possible(self) -> bool:
        """Whether any key can get one here."""
        return self._openssl is not None

    def holding(self, checks: Sequence[Check]) -> list[bool]:
        """Tell of each check whether it was seen to hold; False says nothing.

        Many in one call cost less: they share an inverse.
        """
        if not self._openssl:
            return [False] * len(checks)
        found = [False] * len(checks)
        known = []
        for n, check in enumerate(checks):
            group = self._group(check.key)
            if group and 0 < check.r < ORDER and 0 < check.s < ORDER:
                known.append((n, group, check))
        if known:
            place = self._free_place()
            inverses = _inverses([check.s for _, _, check in known])
            for (n, group, check), inverse in zip(known, inverses, strict=True):
                found[n] = self._holds(place, group, check, inverse)
            self._places.append(place)
        return found

    def make(self, key: ec.EllipticCurvePublicKey) -> bool:
        """Make a key's table now; tell whether it has one."""
        met = self._met(key)
        if met.group is None and self._openssl and key.curve.name == "secp256r1":
            met.group = self._made(key)
        return met.group is not None

    def _group(self, key: ec.EllipticCurvePublicKey) -> _Group | None:
        met = self._met(key)
        met.uses = uses = met.uses + 1
        if uses == USES_BEFORE_TABLE:
            threading.Thread(target=self.make, args=(key,), name="p256-table", daemon=True).start()
        return met.group

    def _met(self, key: ec.EllipticCurvePublicKey) -> _Key:
        met = self._keys.get(id(key)) or self._added(key)
        met.met_last = self._uses = self._uses + 1
        return met

    def _added(self, key: ec.EllipticCurvePublicKey) -> _Key:
        with self._lock:
            if len(self._keys) >= KEYS_MAX:
                del self._keys[min(self._keys, key=lambda known: self._keys[known].met_last)]
            return self._keys.setdefault(id(key), _Key(key))

    def _made(self, key: ec.EllipticCurvePublicKey) -> _Group | None:
        openssl, curve = self._openssl, self._curve
        assert openssl is not None
        place, group = self._free_place(), _Group(openssl, curve)
        encoded = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        order, cofactor = openssl.EC_GROUP_get0_order(curve), openssl.EC_GROUP_get0_cofactor(curve)
        openssl.BN_bin2bn(hashlib.sha256(encoded).digest(), _BYTES, place.of_key)
        made = (
            openssl.EC_POINT_oct2point(curve, place.point, encoded, len(encoded), place.context) == 1
            and openssl.EC_GROUP_set_generator(group.pointer, place.point, order, cofactor) == 1
            and openssl.EC_GROUP_precompute_mult(group.pointer, place.context) == 1
            and openssl.EC_GROUP_have_precompute_mult(group.pointer) == 1
            # Any multiple, once by the table and once without.
            and openssl.EC_POINT_mul(group.pointer, place.sum, place.of_key, None, None, place.context) == 1
            and openssl.EC_POINT_mul(curve, place.point, None, place.point, place.of_key, place.context) == 1
            and openssl.EC_POINT_cmp(curve, place.sum, place.point, place.context) == 0
        )
        self._places.append(place)
        if made:
            return group
        openssl.ERR_clear_error()
        return None

    def _holds(self, place: _Place, group: _Group, check: Check, inverse: int) -> bool:
        openssl, curve, context = self._openssl, self._curve, place.context
        assert openssl is not None
        of_base = int.from_bytes(check.digest, "big") * inverse % ORDER
        openssl.BN_bin2bn(of_base.to_bytes(_BYTES, "big"), _BYTES, place.of_base)
        openssl.BN_bin2bn((check.r * inverse % ORDER).to_bytes(_BYTES, "big"), _BYTES, place.of_key)
        if (
            openssl.EC_POINT_mul(curve, place.sum, place.of_base, None, None, context) == 1
            and openssl.EC_POINT_mul(group.pointer, place.point, place.of_key, None, None, context) == 1
            and openssl.EC_POINT_add(curve, place.sum, place.sum, place.point, context) == 1
            and openssl.EC_POINT_get_Jprojective_coordinates_GFp(curve, place.sum, place.x, None, place.z, context) == 1
            and openssl.BN_bn2binpad(place.x, place.x_bytes, _BYTES) == _BYTES
            and openssl.BN_bn2binpad(place.z, place.z_bytes, _BYTES) == _BYTES
        ):
            return _is_named(
                check.r, int.from_bytes(place.x_bytes.raw, "big"), int.from_bytes(place.z_bytes.raw, "big")
            )
        # Python's own ssl would take them for its own.
        openssl.ERR_clear_error()
        return False

    def _free_place(self) -> _Place:
        assert self._openssl is not None
        try:
            return self._places.pop()
        except IndexError:
            return _Place(self._openssl, self._curve)


def _is_named(r: int, x: int, z: int) -> bool:
    """Tell whether a signature names the point with these coordinates: x / z², modulo the group's order, is its r.

    The order is less than the prime, so two values of the quotient leave a small r. Where z is zero there is no point.
    """
    square = z * z % PRIME
    if not square:
        return False
    return (r * square - x) % PRIME == 0 or (r < PRIME - ORDER and ((r + ORDER) * square - x) % PRIME == 0)


def _inverses(numbers: Sequence[int]) -> list[int]:
    """Return the inverses modulo the group's order of numbers that have one, by one inverse for all (Montgomery)."""
    products = list(accumulate(numbers, lambda product, number: product * number % ORDER, initial=1))
    inverse = pow(products.pop(), -1, ORDER)
    found = []
    for number, before in zip(reversed(numbers), reversed(products), strict=True):
        found.append(inverse * before % ORDER)
        inverse = inverse * number % ORDER
    return found[::-1]


TABLES = Tables(python_openssl())
"""Those of this process."""
