#!/usr/bin/env bash
# pipetask run-qbb ends in an EOFError when it reads its quantum graph, on early releases of CPython 3.12 and 3.13.
#
# Versions: lsst-pipe-base 30.2026.4300 on CPython 3.12.1 to 3.12.8, 3.13.0 or 3.13.1, Linux x86-64.
# One would guess: a graph that BPS has just written can be read. Jobs with the first quantum of the file do read it, and others do not; nothing about the file is wrong.
# What happens: a .qg file is an uncompressed zip. lsst.pipe.base reads its files `quanta.addr` and `quantum_datasets.mb` in turn. ZipExtFile.seek moves forward in a file of such a zip
#   from where the *zip* was read last, which is in the addresses. Whoever begins with the first block seeks nothing, and reads right. Mended in 3.12.9 and 3.13.2 (python/cpython#127847).
# Output seen:
#   read alone: all blocks
#   read in turn with the addresses: EOFError
# Fails when that has changed. Needs one of those CPythons as $PYTHON (default: python3) and the package index; takes a minute.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env
env/bin/pip install -q lsst-pipe-base==30.2026.4300 lsst-daf-butler==30.2026.4300 lsst-sphgeom==30.2026.4000

env/bin/python - <<'PY'
import uuid
import zipfile

from lsst.pipe.base.quantum_graph._multiblock import AddressReader, AddressWriter, MultiblockReader, MultiblockWriter

INT_SIZE, BLOCKS = 8, {uuid.UUID(int=1000 + i): bytes([i]) * 300 for i in range(200)}
with zipfile.ZipFile("graph.qg", "w") as zf:
    with MultiblockWriter.open_in_zip(zf, "blocks", INT_SIZE) as writer:
        for key, data in BLOCKS.items():
            writer.write_bytes(key, data)
    AddressWriter([writer.addresses]).write_to_zip(zf, "blocks", INT_SIZE)


def addresses_of(zf):
    return AddressReader.open_in_zip(zf, "blocks", page_size=5_000_000, n_addresses=1, int_size=INT_SIZE)


def outcome(zf, find):
    """What comes of reading every eighth block, from the second on."""
    with MultiblockReader.open_in_zip(zf, "blocks", int_size=INT_SIZE) as reader:
        try:
            for key in list(BLOCKS)[1::8]:
                assert reader.read_bytes(find(key).addresses[0]) == BLOCKS[key]
        except Exception as error:
            return type(error).__name__
    return "all blocks"


with zipfile.ZipFile("graph.qg") as zf, addresses_of(zf) as addresses:
    known = dict(addresses.read_all())
with zipfile.ZipFile("graph.qg") as zf:
    alone = outcome(zf, known.get)
with zipfile.ZipFile("graph.qg") as zf, addresses_of(zf) as addresses:
    in_turn = outcome(zf, addresses.find)
print("read alone:", alone)
print("read in turn with the addresses:", in_turn)
assert (alone, in_turn) == ("all blocks", "EOFError"), "this has changed"
PY
