"""Which file of a trace a user means."""

import os
import re
from collections.abc import Iterable

__all__ = ["files_meant", "is_own_code"]

_OF_OTHERS = re.compile(r"^<|[\\/](site|dist)-packages[\\/]|[\\/]lib(64)?[\\/]python\d|^/usr/", re.IGNORECASE)


def files_meant(word: str, files: Iterable[str], cwd: str = "") -> list[str]:
    """The files that a word names.

    Parameters
    ----------
    word : `str`
        A path as a user types it: whole, relative to where the user is, the end of one, or one that leads to the file by a link.
    files : `~collections.abc.Iterable` [`str`]
        The files of the trace.
    cwd : `str`, optional
        Where the traced program started: relative files of the trace are from there.

    Returns
    -------
    found : `list` [`str`]
        The file itself where there is one, else all whose path ends so; sorted.
    """
    whole = {file: os.path.normpath(os.path.join(cwd, file)) for file in files if file}
    bare = os.path.normpath(word)
    if word in whole and os.path.isabs(word):
        return [word]
    ends = [file for file in whole if _ends_with(file, word) or _ends_with(file, bare)]
    # A word with a directory names a place: "./x.py" is the one here, not every x.py.
    if ends and os.path.basename(word) == word:
        return sorted(ends)
    here = os.path.abspath(word)
    found = [file for file, path in whole.items() if path == here]
    if not found and not ends and os.path.exists(here):
        real = os.path.realpath(here)
        found = [file for file, path in whole.items() if os.path.realpath(path) == real]
    return sorted(found or ends)


def is_own_code(file: str) -> bool:
    """Whether a file is neither of the interpreter nor of an installed package: Python that its reader may have written."""
    return file.endswith(".py") and not _OF_OTHERS.search(file)


def _ends_with(file: str, word: str) -> bool:
    file, word = file.replace("\\", "/"), word.replace("\\", "/")
    return file == word or (not word.startswith("/") and file.endswith("/" + word))
