"""Files that appear whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["replaced"]


@contextlib.contextmanager
def replaced(output: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file to write to, which takes the place of ``output`` at the end: nobody sees half a file, and a failure leaves
    the old one."""
    target = os.path.realpath(output)
    if os.path.exists(target) and not os.path.isfile(target):  # /dev/stdout, a pipe; a directory says so itself
        with open(target, "wb") as file:
            yield file
        return
    directory, suffix = os.path.dirname(target), os.path.splitext(target)[1]
    try:
        handle, temporary = tempfile.mkstemp(dir=directory, prefix=".rubinprof-", suffix=suffix)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(output)) from None
    try:
        with open(handle, "wb") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
