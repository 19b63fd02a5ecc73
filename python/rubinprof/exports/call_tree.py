"""The call tree that most exports are made of."""

import os
import sys
from collections.abc import Iterator
from typing import Any

from rubinprof.metrics import METRICS, Metric

__all__ = ["FOLDED", "CallTree", "tool"]

FOLDED = "Frames that are too small to be seen by any metric are summed up as [smaller frames] in trees of over 120,000 nodes."


def tool() -> str:
    """Name and version, for metadata."""
    import rubinprof

    return f"rubinprof {rubinprof.__version__}"


class CallTree:
    """The report "flame": columns of nodes in depth-first pre-order, self figures in ns, bytes and counts.

    ``names``, ``files``, ``modules``, ``lines``, ``kinds`` are columns by frame; ``parent``, ``frame`` and
    ``figures[column]`` by node. Node 0 is the root, which is no frame of the program. Of columns in ``unknown`` a sampled
    process tells nothing; their figures are 0, and no file may give them as measured.
    """

    def __init__(self, trace: Any, region: str | None = None, progress: Any = None, stretch: dict[str, float] | None = None):
        flame = trace._json("flame", region=region, full_names=True, progress=progress, **(stretch or {}))
        strings, frames = flame["strings"], flame["frames"]
        self.meta: dict[str, Any] = flame["meta"]
        self.names = [strings[i] for i in frames["name"]]
        self.files = [strings[i] for i in frames["file"]]
        self.modules = [strings[i] for i in frames["module"]]
        self.lines: list[int] = frames["line"]
        self.kinds: list[int] = frames["kind"]
        nodes = flame["nodes"]
        self.parent: list[int] = nodes["parent"]
        self.frame: list[int] = nodes["frame"]
        columns = {k: v for k, v in nodes.items() if k not in ("parent", "frame") and not k.startswith("variance_")}
        # Where the root has none some processes did not measure it.
        self.unknown = {k for k, v in columns.items() if v is None or v[0] is None}
        self.figures: dict[str, list[int]] = {k: [0] * len(self.parent) if k in self.unknown else v for k, v in columns.items()}

    def __len__(self) -> int:
        return len(self.parent)

    def metrics(self) -> list[Metric]:
        """The metrics that were measured."""
        return [metric for metric in METRICS.values() if metric.column not in self.unknown]

    def is_python(self, frame: int) -> bool:
        return self.kinds[frame] == 0

    def place(self, frame: int) -> str:
        """The file, or the library where there is none."""
        return self.files[frame] or self.modules[frame]

    def label(self, frame: int) -> str:
        """A name that tells a function from others of its name where a format has one string for it."""
        if not self.place(frame):
            return self.names[frame]
        line = f":{self.lines[frame]}" if self.files[frame] and self.is_python(frame) else ""
        return f"{self.names[frame]} ({os.path.basename(self.place(frame))}{line})"

    def distinct_names(self, by_file: bool) -> list[str]:
        """By frame: the name, or the label where a reader that keys functions by name would make one of several.

        Such a reader has the file in its key too if ``by_file``.
        """
        places = key_by_place(self)
        keys = [(name, self.files[i] if by_file else "") for i, name in enumerate(self.names)]
        functions: dict[tuple[str, str], set[int]] = {}
        for key, place in zip(keys, places, strict=True):
            functions.setdefault(key, set()).add(place)
        labels: dict[str, set[int]] = {}
        modules: dict[str, set[str]] = {}
        for i, place in enumerate(places):
            labels.setdefault(self.label(i), set()).add(place)
            modules.setdefault(self.names[i], set()).add(self.modules[i])

        def name_of(i: int) -> str:
            if len(functions[keys[i]]) == 1:
                return self.names[i]
            if not (by_file or self.is_python(i)):
                # A native function may be known with several files, or half without one: it stays whole in its library.
                return self.names[i] if len(modules[self.names[i]]) == 1 else f"{self.names[i]} ({self.modules[i]})"
            # Files of one name in two directories: a/x.py:1 and b/x.py:1.
            return self.label(i) if len(labels[self.label(i)]) == 1 else f"{self.names[i]} ({self.place(i)}:{self.lines[i]})"

        return [name_of(i) for i in range(len(self.names))]

    def totals(self, column: str) -> list[int]:
        """By node: with everything below it."""
        total = list(self.figures[column])
        parent = self.parent
        for i in range(len(total) - 1, 0, -1):
            total[parent[i]] += total[i]
        return total

    def walk(self) -> Iterator[tuple[int, int]]:
        """``(node, closed)`` in pre-order without the root: ``closed`` nodes end before this one begins."""
        depth = [0] * len(self)
        open_depth = 0
        for node in range(1, len(self)):
            depth[node] = depth[self.parent[node]] + 1
            yield node, open_depth - depth[node] + 1
            open_depth = depth[node]

    def title(self) -> str:
        """What ran."""
        command = self.meta.get("command")
        return " ".join(command) if isinstance(command, list) else command or "trace"


def key_by_place(tree: CallTree) -> list[int]:
    """By frame: a number that is the same for frames which a format cannot tell apart (name, file or library, line)."""
    seen: dict[tuple, int] = {}
    return [
        seen.setdefault((sys.intern(tree.names[i]), tree.place(i), tree.lines[i] if tree.is_python(i) else 0), len(seen))
        for i in range(len(tree.names))
    ]
