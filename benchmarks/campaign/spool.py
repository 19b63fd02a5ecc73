"""A spool of real traces, as large as asked for, drawn from a pool of quanta that ran.

    python benchmarks/campaign/spool.py QUANTA SPOOL [--pool DIR] [--plain 24] [--dense 16] [--dense-share 0.2]

The pool is recorded first (a minute or two; `--pool` keeps it): processes of real_quanta.py, sampled, some of them killed in their last quantum. Each file of the spool is one of them with a uuid of
its own, and a block behind the others that gives its quanta new labels: id, visit, detector, band, run. One quantum in 250 failed and is tried again in a later file. What a file's events say is what
really happened; its times are those of the pool, and so are its stacks: a real campaign has more different ones.
"""

import argparse
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import rubinprof
from rubinprof import _analyze

WORK = Path(__file__).with_name("real_quanta.py")
BLOCK = 64
DEF_LABELS, DEF_META = 9, 1
FAILED_SHARE = 1 / 250
BANDS = "ugrizy"
FILES_A_DIRECTORY = 256


def record(pool, plain, dense):
    """Trace processes into a directory, but for those that are there; every twelfth is killed."""
    pool.mkdir(parents=True, exist_ok=True)
    for kind, count in (("plain", plain), ("dense", dense)):
        for i in range(count):
            path = pool / f"{kind}-{i}.rprof"
            words = ["killed"] if i % 12 == 11 else []
            if path.exists():
                continue
            command = [sys.executable, "-m", "rubinprof", "run", "-o", path, "--cpu", "sampled", "--memory", "sampled", "--sample-hz", "250" if kind == "dense" else "40", WORK, str(i), kind, *words]
            subprocess.run([str(word) for word in command], check=not words, timeout=600)
            if words:  # what a kill leaves ends in live buffers; behind blocks there is room for labels
                subprocess.run([sys.executable, "-m", "rubinprof", "recover", path, "-o", path.with_suffix(".whole")], check=True, stdout=subprocess.DEVNULL)
                path.with_suffix(".whole").replace(path)


class Master:
    """A trace of the pool: its bytes, and what another block of definitions needs to know."""

    def __init__(self, path):
        self.data = path.read_bytes()
        (self.end,) = struct.unpack_from("<Q", self.data, 72)
        (at,), self.seq = struct.unpack_from("<I", self.data, 8), 0
        while at < self.end:
            magic, kind, _, _, stored, *_ = struct.unpack_from("<IBBHII", self.data, at)
            assert magic == 0x4B425052 and kind in (1, 2, 4), "a block that this program does not know"
            if kind == 2:
                self.seq = max(self.seq, struct.unpack_from("<Q", self.data, at + 24)[0] + 1)
            at += BLOCK + stored
        with rubinprof.open(path) as trace:
            self.units = [(region["index"], region["labels"]["task"], region["unfinished"]) for region in trace.regions() if region["parent"] is None]

    def copy(self, chance, number, labels_of, host):
        """The bytes of another file with its events. Region ids count from 1 in the order of `index`."""
        payload = definition(DEF_META, text("host") + text(host))
        for index, task, unfinished in self.units:
            pairs = labels_of(task, unfinished)
            payload += definition(DEF_LABELS, varint(index + 1) + varint(len(pairs)) + b"".join(text(key) + text(value) for key, value in pairs.items()))
        head = struct.pack("<IBBHIIIIQQQII", 0x4B425052, 2, 0, 0, len(payload), len(payload), 0, 0, self.seq, 0, 0, _analyze.crc32c(payload), 0)
        head = head.ljust(60, b"\0")
        block = head + struct.pack("<I", _analyze.crc32c(head)) + payload
        made = bytearray(self.data[: self.end] + block)
        made[32:48] = chance.randbytes(16)
        struct.pack_into("<I", made, 56, 1000 + number % 30000)
        struct.pack_into("<I", made, 64, _analyze.crc32c(bytes(made[:64])))
        struct.pack_into("<Q", made, 72, self.end + len(block))
        return made


def varint(value):
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def text(value):
    raw = value.encode()
    return varint(len(raw)) + raw


def definition(tag, fields):
    return bytes([tag]) + varint(len(fields)) + fields


def make(quanta, spool, pool, dense_share):
    masters = {kind: [Master(path) for path in sorted(pool.glob(f"{kind}-*.rprof"))] for kind in ("plain", "dense")}
    chance, again, made, number, exposed = random.Random(20261129), [], 0, 0, 0
    # So many quanta of a file count as dense; imports are a quantum of their own here.
    mean = {kind: sum(len(one.units) for one in of) / len(of) for kind, of in masters.items()}
    p_dense = dense_share / mean["dense"] / (dense_share / mean["dense"] + (1 - dense_share) / mean["plain"])

    def labels_of(task, unfinished):
        nonlocal exposed
        tried_again = [one for one in again if one[0] == task]
        if tried_again and not unfinished:
            again.remove(tried_again[0])
            return tried_again[0][1] | {"status": "done"}
        exposed += 1
        visit, detector = divmod(exposed, 189)
        band = BANDS[visit % 6]
        labels = {"quantum_id": f"{chance.getrandbits(128):032x}", "run": "u/bench", "data_id": f"band={band}, detector={detector}, visit={visit}", "band": band, "detector": str(detector), "visit": str(visit)}
        if unfinished or chance.random() < FAILED_SHARE:
            again.append((task, labels))
            return labels if unfinished else labels | {"status": "failed"}
        return labels

    while made < quanta:
        one = chance.choice(masters["dense" if chance.random() < p_dense else "plain"])
        directory = spool / f"{number // FILES_A_DIRECTORY:04x}"
        directory.mkdir(parents=True, exist_ok=True)
        with open(directory / f"{number:08d}.rprof", "xb") as file:
            file.write(one.copy(chance, number, labels_of, f"node{number % 300:03d}"))
            os.utime(file.fileno(), (0, 0))  # long ago: nobody writes it any more
        made, number = made + len(one.units), number + 1
    return made, number


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("quanta", type=int)
    parser.add_argument("spool", type=Path)
    parser.add_argument("--pool", type=Path, help="where the pool is, or comes to be (default: beside the spool)")
    parser.add_argument("--plain", type=int, default=24, help="processes of plain quanta in the pool")
    parser.add_argument("--dense", type=int, default=16, help="of dense ones")
    parser.add_argument("--dense-share", type=float, default=0.2, help="of the quanta of the spool (DP0.2's dense field: 0.27)")
    args = parser.parse_args()
    pool = args.pool or args.spool.with_name(f"{args.spool.name}-pool")
    record(pool, args.plain, args.dense)
    quanta, files = make(args.quanta, args.spool, pool, args.dense_share)
    size = sum(path.stat().st_size for path in args.spool.rglob("*.rprof"))
    print(f"{quanta:,} quanta in {files:,} files, {size / 1e6:,.0f} MB, {size / quanta / 1e3:.1f} kB a quantum")


if __name__ == "__main__":
    main()
