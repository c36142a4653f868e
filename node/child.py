"""Ties a child process to whoever started it, so that it does not outlive him when he is killed.

Source: prctl(2), ``PR_SET_PDEATHSIG``.
"""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Callable
from functools import partial

_PR_SET_PDEATHSIG = 1

# Looked up now, not in the child: between fork and exec another thread's lock on the loader would never be let go.
_PRCTL = ctypes.CDLL(None).prctl


def ending_with_parent(number: signal.Signals) -> Callable[[], object]:
    """Return a ``preexec_fn``: the child gets this signal when the thread that started it ends."""
    return partial(_PRCTL, _PR_SET_PDEATHSIG, int(number))
