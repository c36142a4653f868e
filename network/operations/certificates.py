"""Watches certificates that this process and its channel depend on, and says early when one is about to expire.

Expired certificates are time bombs: peers refuse proposals and connections from one second to the next. So each is a
metric, and the log says once a day which ends within thirty days, and which has ended.

Source: Fabric common/crypto/expiration.go (which warns a week before).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from network.channel_config import ChannelConfig
from network.go_certificate import Certificate
from network.operations.health import UnhealthyError
from network.operations.metrics import Metrics
from network.rpc.tls_files import read_certificates

WARN_BEFORE = timedelta(days=30)
LOOK_EVERY_S = 3_600.0
WARN_EVERY = timedelta(days=1)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """A certificate that is watched.

    Args:
        use: what it is for, e.g. ``tls`` or ``authority of PartnerMSP``.
        certificate: the certificate.
    """

    use: str
    certificate: Certificate

    @property
    def subject(self) -> str:
        """Its subject."""
        return self.certificate.subject_text


class CertificateWatch:
    """The watch of one process.

    Args:
        metrics: where the ends of validity are told.
        watched: gives the certificates, anew at each look: those of a channel change.
        now: UTC clock.
    """

    def __init__(self, metrics: Metrics, watched: Callable[[], Iterable[Watched]], now: Callable[[], datetime]) -> None:
        self._expires = metrics.gauge(
            "dwaybank_certificate_expires_at_seconds",
            "End of a certificate's validity, Unix time.",
            ["use", "subject", "serial"],
        )
        self._watched = watched
        self._now = now
        self._warned: dict[str, datetime] = {}
        self._task: asyncio.Task[None] | None = None
        metrics.before_scrape(self._refresh)

    async def start(self) -> None:
        """Look now, and every hour from here on."""
        self.look()
        self._task = asyncio.create_task(self._look_again(), name="certificate-watch")

    async def stop(self) -> None:
        """Look no longer."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def look(self) -> None:
        """Warn about those that end soon or have ended, each at most once a day."""
        now = self._now()
        for item in self._watched():
            left = item.certificate.not_valid_after_utc - now
            serial = f"{item.certificate.serial_number:x}"
            last = self._warned.get(serial)
            if left > WARN_BEFORE or (last is not None and now - last < WARN_EVERY):
                continue
            self._warned[serial] = now
            _log.warning(
                "certificate has expired" if left <= timedelta(0) else "certificate expires soon",
                use=item.use,
                subject=item.subject,
                serial=serial,
                expires=item.certificate.not_valid_after_utc.isoformat(),
                days_left=left.days,
            )

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look()

    async def _refresh(self) -> None:
        self._expires.forget()
        for item in self._watched():
            serial = f"{item.certificate.serial_number:x}"
            ends = item.certificate.not_valid_after_utc.timestamp()
            self._expires.of(item.use, item.subject, serial).value = int(ends)


async def require_valid(own: Iterable[Watched], now: datetime) -> None:
    """Check that a process's own certificates are valid: with one that is not nobody talks to it.

    Raises:
        UnhealthyError: naming the first that is not.
    """
    for item in own:
        begins, ends = item.certificate.not_valid_before_utc, item.certificate.not_valid_after_utc
        if not begins <= now <= ends:
            raise UnhealthyError(
                f"certificate {item.subject} ({item.use}) is valid from {begins.isoformat()} to {ends.isoformat()}: "
                "put another in its place, or set this machine's clock"
            )


def certificates_in(use: str, path: Path) -> list[Watched]:
    """Return the certificates of a PEM file, or of all files in an MSP folder's ``signcerts``.

    Raises:
        ConfigError: a file cannot be read, or holds no certificate.
    """
    files = sorted((path / "signcerts").glob("*.pem")) if path.is_dir() else [path]
    found = (one for file in files for one in x509.load_pem_x509_certificates(read_certificates(file)))
    return [Watched(use, Certificate.read(one.public_bytes(Encoding.DER))) for one in found]


def authorities_of(config: ChannelConfig) -> list[Watched]:
    """Return the authorities of all organizations on a channel."""
    return [
        Watched(f"authority of {msp_id}", certificate)
        for msp_id, msp in config.msps.msps.items()
        for certificate in msp.roots
    ]
