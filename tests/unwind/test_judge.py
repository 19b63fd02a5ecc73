"""A slice of `make unwind-judge`: every row of what a small program loads, and its stacks from wherever it is interrupted, as libdw and libunwind have them."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import judge  # noqa: E402

pytestmark = pytest.mark.linux

# Assembly with frame information written by hand, C++ exceptions, lazy binding, a second thread.
PROGRAM = """\
import bz2, hashlib, json, re, sqlite3, threading, zlib
def work(data):
    for name in ("sha1", "sha512", "md5"):
        hashlib.new(name, data * 40).digest()
    hashlib.pbkdf2_hmac("sha256", data, b"y", 2000)
    zlib.compress(data * 4), bz2.compress(data)
    json.loads(json.dumps([[i] * 5 for i in range(4000)]))
    re.sub("a+b", "", "aaab" * 4000)
    sorted(range(20000), key=lambda x: -x)
data = bytes(range(256)) * 100
thread = threading.Thread(target=work, args=(data,))
thread.start()
for _ in range(6):
    work(data)
thread.join()
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    try:
        library = judge.build()
    except judge.csources.MissingLibrary as missing:
        if os.environ.get("RUBINPROF_TESTS_MUST_RUN") == "1":
            raise
        pytest.skip(str(missing))
    program = tmp_path_factory.mktemp("judge") / "program.py"
    program.write_text(PROGRAM)
    return judge.ask([program], 100, library)


def test_every_row_is_read_as_libdw_reads_it(found):
    rows = found["rows"]
    assert rows["first_wrong"] == [] and rows["first_refused"] == []
    assert rows["wrong"] == rows["unknown"] == rows["rows"]["refused"] == 0
    assert rows["rows"]["plain"] > 50_000
    assert rows["rows"]["other_register"] > 0


def test_walks_equal_those_of_libunwind_where_there_is_frame_information(found):
    walks = found["walks"]
    assert judge.faults(found) == []
    assert walks["walks"] > 20 and walks["frames"] > 10 * walks["walks"]
    # The rest are walks that end at code without frame information: entries of libraries, kernels in assembly.
    assert walks["ends"]["same"] > 0.9 * (walks["walks"] + walks["unasked"])
