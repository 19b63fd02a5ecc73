"""Source files that a trace names, as far as they lie here."""

import os

__all__ = ["read"]

SOURCE_BYTES_MAX = 2_000_000  # a longer one is generated, and nobody reads it
ENDINGS = (".py", ".pyx", ".pyi", ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx")


def read(path: str) -> str:
    """Text of a source file; "" when it cannot be had.

    A trace is untrusted: only plain source files are read, and only by their whole path.
    """
    if not os.path.isabs(path) or not path.endswith(ENDINGS):
        return ""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > SOURCE_BYTES_MAX:
            return ""
        with open(path, encoding="utf-8", errors="replace", newline=None) as file:
            return file.read()
    except OSError:
        return ""
