"""Memory that is let go of goes back to the system at once."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""glibc's names for `mallopt`, from malloc.h."""

LARGE = 256 * 2**10
"""Bytes from which on a block is the kernel's own. By itself glibc raises this to the size of what was freed last, so
that photos come to lie among what lives longer, and their gaps stay the process's."""

ARENAS = 2
"""Where smaller blocks lie; by itself glibc has eight for each core, and each keeps its own gaps."""


def return_at_once() -> None:
    """Ask the C library for it, before there are threads; nothing happens where that is not glibc."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        for option, value in ((_TRIM_THRESHOLD, LARGE), (_MMAP_THRESHOLD, LARGE), (_ARENA_MAX, ARENAS)):
            library.mallopt(option, value)
