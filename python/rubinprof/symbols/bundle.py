"""A bundle on disk: which it is, and whether it is whole."""

import os
import struct
from pathlib import Path

from rubinprof.errors import RubinprofError

__all__ = ["BundleError", "open_bundle", "put_file", "table_files"]

TITLE = "rubinprof symbols 1"


class BundleError(RubinprofError):
    """A bundle that cannot be made or read; the text is one sentence."""


def table_files(directory):
    """The tables below the directory of a bundle, sorted."""
    return [directory / "code.rpsym", *sorted(directory.glob("native/*/*.rpsym"))]


def put_file(path, content):
    """Write a file so that it is there whole or not at all, whoever else writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    passing = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with open(passing, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(passing, 0o644)
        os.replace(passing, path)
    except BaseException:
        passing.unlink(missing_ok=True)
        raise


class Bundle:
    """A bundle that is there.

    Parameters
    ----------
    directory : `str` or `os.PathLike`
        Where it is.
    """

    def __init__(self, directory):
        self.directory = Path(directory)
        try:
            lines = (self.directory / "bundle").read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BundleError(f"{directory} is no symbol bundle: its file 'bundle' cannot be read ({error})") from error
        if not lines or lines[0] != TITLE or len(lines) < 2 or not lines[1].startswith("id "):
            raise BundleError(f"{directory} is no symbol bundle of a version that this rubinprof reads")
        self.id = lines[1].removeprefix("id ")

    def tables(self):
        """The files of the bundle, sorted."""
        return table_files(self.directory)

    def faults(self):
        """A sentence for each file that is not as the bundle was made."""
        from .build import bundle_id

        told = [f"{path}: {fault}" for path in self.tables() if (fault := _fault(path))]
        if not told and bundle_id(self.directory) != self.id:
            told.append(f"{self.directory}: files were added, changed or taken away since it was made")
        return told


def _fault(path):
    from rubinprof import _capture

    from .tables import HEADER_BYTES, MAGIC

    try:
        content = path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if len(content) < HEADER_BYTES or content[:8] != MAGIC or _capture.crc32c(content[:60]) != struct.unpack_from("<I", content, 60)[0]:
        return "its header is damaged"
    kind, rows, files, size, index_crc, rest_crc = struct.unpack_from("<6I", content, 12)
    index = rows * 8 + files * 24
    if len(content) != size or _capture.crc32c(content[HEADER_BYTES : HEADER_BYTES + index]) != index_crc or _capture.crc32c(content[HEADER_BYTES + index :]) != rest_crc:
        return "it is damaged"
    return None


def open_bundle(directory):
    """Open a bundle.

    Raises
    ------
    BundleError
        There is none.
    """
    return Bundle(directory)
