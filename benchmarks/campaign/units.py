"""What units cost: quanta a second of one core out of real sampled traces of 50 quanta, and bytes a quantum in the store.

    python benchmarks/campaign/units.py [--files 6]

CPU time of this process counts, so that a busy machine changes little.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rubinprof
from rubinprof import campaign
from rubinprof.campaign import columns, unit

WORK = Path(__file__).with_name("quanta_work.py")
QUANTA = 50
REPEATS = 5


def middle(run):
    """CPU seconds of the middle of five runs."""
    took = []
    for _ in range(REPEATS):
        begin = time.process_time()
        run()
        took.append(time.process_time() - begin)
    return sorted(took)[REPEATS // 2]


def core(path):
    with rubinprof.open(path, jobs=1) as trace:
        columns.read(trace.report("units", "columns"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=6)
    files = parser.parse_args().files
    with tempfile.TemporaryDirectory() as room:
        spool = Path(room) / "spool"
        spool.mkdir()
        for i in range(files):
            command = [sys.executable, "-m", "rubinprof", "run", "-o", spool / f"{i}.rprof", "--cpu", "sampled", "--memory", "sampled", WORK, str(i)]
            subprocess.run([str(word) for word in command], check=True, timeout=300)
        paths = sorted(spool.iterdir())
        print(f"{files} traces of {QUANTA} quanta, {sum(path.stat().st_size for path in paths) / files / 1e3:.0f} kB each")
        for name, run in (("units alone", lambda: [core(path) for path in paths]), ("units and all rows", lambda: unit.read_many([str(path) for path in paths]))):
            print(f"{name}: {files * QUANTA / middle(run):,.0f} quanta a second of one core")
        campaign.add(Path(room) / "store", spool, workers=0)
        found = campaign.open(Path(room) / "store")
        for commit in found.store.commits():
            for file in commit.files:
                print(f"{file['path'].split('/')[0]}: {file['rows']} rows, {file['bytes'] / files / QUANTA:.1f} bytes a quantum")
        print(f"stacks of a quantum: {found.sql('SELECT count(*) FROM stacks').fetchall()[0][0] / files / QUANTA:.1f}")


if __name__ == "__main__":
    main()
