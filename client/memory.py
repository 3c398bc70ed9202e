"""What the page's process does with memory."""

import ctypes
import gc
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""glibc's names for `mallopt`, from malloc.h."""

LARGE = 256 * 2**10
"""Bytes from which on a block is the kernel's own. By itself glibc raises this to the size of what was freed last, so
that photos come to lie among what lives longer, and their gaps stay the process's."""

ARENAS = 2
"""Where smaller blocks lie; by itself glibc has eight for each core, and each keeps its own gaps."""


def return_at_once() -> None:
    """Memory that is let go of goes back to the system.

    To be called before there are threads; nothing happens where the C library is not glibc.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        for option, value in ((_TRIM_THRESHOLD, LARGE), (_MMAP_THRESHOLD, LARGE), (_ARENA_MAX, ARENAS)):
            library.mallopt(option, value)


def keep() -> None:
    """What is loaded by now stays for good, so no search for garbage looks at it again.

    Streamlit searches after each run of a page, which is when the browser waits for what the page drew; most of what it
    would look at is what libraries brought.
    """
    gc.collect()
    gc.freeze()
