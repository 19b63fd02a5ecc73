"""Made-up flame reports: columns as the analyzer writes them, from a tree written down or a seeded random one."""

import json
import random

METRICS = ["cpu", "wall", "gil_wait", "calls", "allocated", "allocations", "peak", "leaked", "temporary"]
PYTHON, NATIVE, INLINED = 0, 1, 2


class FlameBuilder:
    """Collects nodes in pre-order; a frame is (name, file, line, kind, module)."""

    def __init__(self):
        self.strings, self._string_ids = [], {}
        self.frames = {key: [] for key in ("name", "file", "line", "kind", "module")}
        self._frame_ids = {}
        self.nodes = {key: [] for key in ("parent", "frame", *METRICS)}

    def string(self, text):
        if text not in self._string_ids:
            self._string_ids[text] = len(self.strings)
            self.strings.append(text)
        return self._string_ids[text]

    def frame(self, name, file="", line=0, kind=PYTHON, module=""):
        key = (name, file, line, kind, module)
        if key not in self._frame_ids:
            self._frame_ids[key] = len(self.frames["name"])
            for column, value in zip(
                self.frames, (self.string(name), self.string(file), line, kind, self.string(module)), strict=True
            ):
                self.frames[column].append(value)
        return self._frame_ids[key]

    def node(self, parent, frame, **values):
        """Adds a node; values are its own figures. Returns its number."""
        self.nodes["parent"].append(parent)
        self.nodes["frame"].append(frame)
        for metric in METRICS:
            self.nodes[metric].append(values.get(metric, 0))
        return len(self.nodes["parent"]) - 1

    def tree(self, spec, parent=-1):
        """Adds (frame, values, children) and what hangs below."""
        frame, values, children = spec
        at = self.node(parent, frame, **values)
        for child in children:
            self.tree(child, at)
        return at

    def report(self):
        return {"schema": 1, "meta": {}, "strings": self.strings, "frames": self.frames, "nodes": self.nodes}

    def json(self):
        return json.dumps(self.report()).encode()


MS = 1_000_000


def pipeline():
    """A quantum by hand: every figure in tests/browser/test_flamegraph.py can be checked with pen and paper."""
    b = FlameBuilder()
    lib = "/opt/venv/lib/python3.13/site-packages"
    main = b.frame("<module>", "/opt/venv/bin/pipetask", 8)
    executor = b.frame("SingleQuantumExecutor.execute", f"{lib}/lsst/ctrl/mpexec/singleQuantumExecutor.py", 163)
    run_quantum = b.frame("MeasureTask.runQuantum", "/repo/demo/measure.py", 41)
    measure = b.frame("MeasureTask.measure", "/repo/demo/measure.py", 88)
    slow = b.frame("count_neighbours", "/repo/demo/slow.py", 12)
    find = b.frame("_find_and_load", "<frozen importlib._bootstrap>", 1360)
    galsim_so = f"{lib}/galsim/_galsim.so"
    draw = b.frame(
        "galsim::SBProfile::draw(galsim::ImageView<double>, double) const", "src/SBProfile.cpp", 214, NATIVE, galsim_so
    )
    fill = b.frame(
        "void galsim::SBInterpolatedImage::SBInterpolatedImageImpl::fillXImage<double>(galsim::ImageView<double>) const",
        "include/SBInterpolatedImage.h", 77, INLINED, galsim_so,
    )
    malloc = b.frame("operator new(unsigned long)", "", 0, NATIVE, "/usr/lib/x86_64-linux-gnu/libstdc++.so.6")

    def cpu(ms, **more):
        return {"cpu": ms * MS, "wall": ms * MS, "calls": 1, **more}

    b.tree(
        (main, cpu(10), [
            (find, cpu(30), [(find, cpu(60), [])]),
            (executor, cpu(20), [
                (run_quantum, cpu(30), [
                    (measure, cpu(50), [
                        (draw, cpu(300, calls=0), [
                            (fill, cpu(200, calls=0), []),
                            (malloc, cpu(0, calls=0, allocated=1 << 20, allocations=4, peak=1 << 20), []),
                        ]),
                    ]),
                    (slow, cpu(250), [(slow, cpu(40, calls=3), [(draw, cpu(10, calls=0), [])])]),
                    (malloc, cpu(0, calls=0, allocated=3 << 20, allocations=1, peak=1 << 20, leaked=1 << 19), []),
                ]),
            ]),
        ])
    )
    return b


def random_tree(nodes, seed=7, depth_max=56, names=4000):
    """A tree of the shape of real ones: long spines, many small leaves, names that repeat."""
    rng = random.Random(seed)
    b = FlameBuilder()
    frames = []
    for i in range(names):
        kind = rng.choices([PYTHON, NATIVE, INLINED], [55, 33, 12])[0]
        module = f"package{rng.randrange(60)}"
        if kind == PYTHON:
            frames.append(b.frame(f"Class{i % 300}.method_{i}", f"/lib/{module}/mod{i % 97}.py", rng.randrange(1, 900), kind, module))
        else:
            name = f"ns{i % 40}::Type{i % 211}<double, std::allocator<double>>::function_{i}(unsigned long, Image<float> const&)"
            frames.append(b.frame(name, f"src/file{i % 83}.cc", rng.randrange(1, 2000), kind, f"/lib/{module}.so"))
    spine = []  # (node, depth) of the current path
    for i in range(nodes):
        if rng.random() < 0.004:
            del spine[rng.randrange(2, 9) :]
        while len(spine) > 2 and (len(spine) >= depth_max or rng.random() < (0.3 if len(spine) < 24 else 0.55)):
            spine.pop()
        parent = spine[-1] if spine else (-1 if i == 0 else 0)
        values = {"cpu": int(rng.paretovariate(1.1) * 1e5), "calls": rng.randrange(1, 50)}
        values["wall"] = values["cpu"] + rng.randrange(1000)
        if rng.random() < 0.3:
            values["allocated"] = rng.randrange(1, 1 << 16)
            values["allocations"] = rng.randrange(1, 9)
            values["peak"] = values["allocated"] // 3
        spine.append(b.node(parent, frames[int(rng.random() ** 2 * len(frames))], **values))
    return b
