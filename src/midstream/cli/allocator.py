"""How much freed memory stays with us: by default glibc gives it back to the system far too eagerly for a relay.

Python takes whatever is larger than 512 bytes from the C library, and a relay's pieces of 256 KB stand at the end of the heap. Whenever
two or three of them are freed glibc cuts the heap off, so that the next read grows it again and pays for 64 fresh
pages: half of the kernel's time for large WebSocket messages. Other C libraries have no such habit, and are left alone.
"""

import ctypes
import sys

KEPT_BYTES = 4 << 20
"""Free memory at the end of the heap that stays. A larger block has pages of its own, which go back when it is freed."""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def keep_freed_memory() -> None:
    """Have glibc keep a few megabytes of what is freed; both thresholds, since to set one stops glibc from adapting the other."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
