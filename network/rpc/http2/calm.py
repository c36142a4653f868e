"""An account of what a peer may do without doing any work."""

from __future__ import annotations


class Account:
    """Tokens that time and useful frames earn, and nuisances cost.

    Args:
        burst: tokens at most, and at first.
        per_s: tokens earned each second.
    """

    __slots__ = ("_burst", "_per_s", "_spent_at", "_tokens", "_useful_seen")

    EARNED_BY_A_FRAME = 4
    """A peer's library may answer each of our frames with a PING and two WINDOW_UPDATE frames."""

    def __init__(self, burst: int, per_s: int) -> None:
        self._burst, self._per_s = burst, per_s
        self._tokens = float(burst)
        self._spent_at = 0.0
        self._useful_seen = 0

    def spend(self, now: float, useful_frames: int = 0) -> bool:
        """Take a token.

        Args:
            now: seconds of a monotonic clock.
            useful_frames: how many useful frames there have been in all.
        Returns:
            Whether there was one.
        """
        earned = (now - self._spent_at) * self._per_s + (useful_frames - self._useful_seen) * self.EARNED_BY_A_FRAME
        self._spent_at, self._useful_seen = now, useful_frames
        self._tokens = min(self._burst, self._tokens + earned) - 1
        return self._tokens >= 0
