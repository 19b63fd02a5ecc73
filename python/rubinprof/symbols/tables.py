"""The bytes of the two kinds of table; csrc/format/symbol_table.h is the specification."""

import array
import struct
import sys

from rubinprof import _capture

__all__ = ["code_table", "object_table"]

MAGIC = b"\x89RPSYM\r\n"
VERSION = 1
HEADER_BYTES = 64
OBJECT, CODE = 1, 2
NO_NAME = 0xFFFFFFFF


class _Names:
    """Texts one behind the other, each once and ended by 0."""

    def __init__(self):
        self._place = {}
        self._parts = []
        self._bytes = 0

    def place(self, text):
        if text is None:
            return NO_NAME
        found = self._place.get(text)
        if found is None:
            found = self._place[text] = self._bytes
            self._parts.append(text + b"\0")
            self._bytes += len(text) + 1
        return found

    def whole(self):
        return b"".join(self._parts)


def _little(values, code):
    numbers = array.array(code, values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _whole(kind, rows, files, index, rest):
    header = bytearray(HEADER_BYTES)
    crc32c = _capture.crc32c
    struct.pack_into("<8s7I", header, 0, MAGIC, VERSION, kind, rows, files, HEADER_BYTES + len(index) + len(rest), crc32c(index), crc32c(rest))
    struct.pack_into("<I", header, 60, crc32c(bytes(header[:60])))
    return bytes(header) + index + rest


def object_table(functions):
    """The table of one object.

    Parameters
    ----------
    functions : `list` [`tuple`]
        Where each begins, and its name or `None`, ascending.
    """
    names, starts, places, last = _Names(), [], [], NO_NAME
    for start, name in functions:
        place = names.place(name)
        if place != last:
            starts.append(start)
            places.append(place)
            last = place
    return _whole(OBJECT, len(starts), 0, _little(starts, "Q"), _little(places, "I") + names.whole())


def code_table(codes, files):
    """The table of a release.

    Parameters
    ----------
    codes : `iterable` [`tuple`]
        Name, file, module, first line and flags of each code object.
    files : `iterable` [`tuple`]
        Path, bytes, time of the last change in ns and CRC-32C of each source file.
    """
    names = _Names()
    rows = {}
    for name, file, module, line, flags in codes:
        texts = [text.encode("utf-8", "replace") for text in (name, file, module)]
        rows[_capture.code_key(*texts, line, flags)] = (*map(names.place, texts), line, flags)
    sums = {}
    for path, size, mtime_ns, crc in files:
        text = path.encode("utf-8", "replace")
        sums[_capture.file_key(text)] = (size, mtime_ns, names.place(text), crc)
    keys, paths = sorted(rows), sorted(sums)
    index = _little(keys, "Q") + _little([part for key in paths for part in (key, *sums[key][:2])], "Q")
    rest = _little([part for key in keys for part in rows[key]], "I") + _little([part for key in paths for part in sums[key][2:]], "I")
    return _whole(CODE, len(keys), len(paths), index, rest + names.whole())
