"""What an error is and where it comes from, for a log.

Not its message, nor that of its causes: code that was handed a prompt, a driver or a server that
was sent one, may repeat it there.
"""

from __future__ import annotations

import traceback
from pathlib import PurePath

__all__ = ["place_of"]

_MOST_FRAMES = 5


def place_of(error: BaseException) -> str:
    """Return ``ValueError at policy.py:12 decide < engine.py:210 _by_meaning``, innermost first."""
    frames = list(traceback.walk_tb(error.__traceback__))[-_MOST_FRAMES:]
    places = [
        f"{PurePath(frame.f_code.co_filename).name}:{line} {frame.f_code.co_name}"
        for frame, line in reversed(frames)
    ]
    return " ".join((type(error).__name__, *(("at", " < ".join(places)) if places else ())))
