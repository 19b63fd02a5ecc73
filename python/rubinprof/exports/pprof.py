"""pprof's protocol buffer (https://github.com/google/pprof/blob/main/proto/profile.proto), gzipped, for ``go tool pprof``.

Written by hand: a handful of fields, and no dependency for the laptop.
"""

import gzip

from rubinprof.exports.call_tree import FOLDED, CallTree, tool

SUFFIX = ".pb.gz"
SUMMARY = "go tool pprof, all metrics as sample types (-sample_index=allocated)"
METRICS: tuple[str, ...] = ()
LACKS = (
    "No order of time, no regions and threads.",
    "A Python frame is on the line of its def: lines below the function are not kept.",
    "Stacks deeper than 1,000 frames keep the innermost 1,000.",
    FOLDED,
    "No errors of estimates: of a sampled trace, csv and parquet have them.",
)

STACK_MAX = 1000
UNITS = {"s": "nanoseconds", "bytes": "bytes", "count": "count"}
# Field numbers of profile.proto.
SAMPLE_TYPE, SAMPLE, MAPPING, LOCATION, FUNCTION, STRING_TABLE, TIME_NANOS, DURATION_NANOS = 1, 2, 3, 4, 5, 6, 9, 10
COMMENT, DEFAULT_SAMPLE_TYPE = 13, 14


def write(trace, out, options):
    tree = CallTree(trace, options.region, options.progress, options.stretch)
    # mtime=0: the same trace makes the same file.
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6, mtime=0, filename="") as packed:
        for message in _messages(tree):
            packed.write(message)


def _messages(tree):
    strings = _Strings()
    for metric in tree.metrics():
        yield _message(SAMPLE_TYPE, _varint(1, strings.place(metric.name)) + _varint(2, strings.place(UNITS[metric.unit])))
    modules = {module: place for place, module in enumerate(dict.fromkeys(tree.modules), 1)}
    for module, place in modules.items():
        # Names and lines are here: nothing is left to be looked up in the binaries.
        yield _message(MAPPING, _varint(1, place) + _varint(5, strings.place(module)) + b"".join(_varint(i, 1) for i in (7, 8, 9, 10)))
    for frame, name in enumerate(tree.distinct_names(by_file=False)):
        place = frame + 1
        file = strings.place(tree.place(frame))
        line = _varint(1, place) + _varint(2, max(0, tree.lines[frame]))
        yield _message(LOCATION, _varint(1, place) + _varint(2, modules[tree.modules[frame]]) + _message(4, line))
        text = strings.place(name)
        # pprof takes <lambda> for template arguments and cuts it, unless the system's name is another.
        system = text if not tree.is_python(frame) and name == tree.names[frame] else 0
        yield _message(
            FUNCTION,
            _varint(1, place) + _varint(2, text) + _varint(3, system) + _varint(4, file) + _varint(5, max(0, tree.lines[frame])),
        )
    yield from _samples(tree)
    for sentence in [f"Made by {tool()}: {tree.title()}", *(f"Lacks: {sentence}" for sentence in LACKS)]:
        yield _varint(COMMENT, strings.place(sentence))
    yield _varint(TIME_NANOS, int(tree.meta["start_s"] * 1e9)) + _varint(DURATION_NANOS, int(tree.meta["wall_s"] * 1e9))
    yield _varint(DEFAULT_SAMPLE_TYPE, strings.place("cpu"))
    for text in strings.all:
        yield _message(STRING_TABLE, text.encode("utf-8", "replace"))


def _samples(tree):
    columns = [tree.figures[metric.column] for metric in tree.metrics()]
    stack = []  # packed location ids, outermost first
    for node, closed in tree.walk():
        if closed > 0:
            del stack[len(stack) - closed :]
        stack.append(_number(tree.frame[node] + 1))
        values = [column[node] for column in columns]
        if any(values):
            yield _message(SAMPLE, _message(1, b"".join(stack[: -STACK_MAX - 1 : -1])) + _message(2, b"".join(map(_number, values))))


class _Strings:
    def __init__(self):
        self.all = [""]  # the first is empty by rule
        self._places = {"": 0}

    def place(self, text):
        place = self._places.setdefault(text, len(self.all))
        if place == len(self.all):
            self.all.append(text)
        return place


def _number(value):
    """A varint; negative ones as 64-bit two's complement."""
    value &= (1 << 64) - 1
    if value < 0x80:
        return _SMALL[value]
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


_SMALL = [bytes([i]) for i in range(128)]


def _varint(field, value):
    return _number(field << 3) + _number(value)


def _message(field, data):
    return _number(field << 3 | 2) + _number(len(data)) + data
