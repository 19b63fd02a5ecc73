"""A `bps submit` on this machine by Parsl, into a campaign while its jobs write: one job is killed and tried again, and the disk of a task's traces is full.

    python benchmarks/campaign/parsl_run.py DIRECTORY [--detectors 100] [--cores 2] [--small-disk DIRECTORY]

Needs what tests/lsst needs, and lsst-ctrl-bps-parsl. The quanta are those of the tiny pipeline of the tests: two tasks with one a detector, and one that
collects. The first task's traces go to DIRECTORY/spool, and the second's to --small-disk, a small file system that the caller has made (as
``mount -t tmpfs -o size=6m tmpfs DIRECTORY`` does). One job ends by SIGKILL in the middle of its quanta; Parsl tries it again. `campaign add` runs every 15 seconds
until all is over, and once more. Then everything has to be there once.

CPython 3.12.1 to 3.12.8, 3.13.0 and 3.13.1 read two files of an uncompressed zip wrong when they read them in turn (findings/zip_files_read_in_turn.sh), as run-qbb does with its graph. The jobs get the mended
line on those.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import rubinprof
from rubinprof import campaign

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "tests" / "lsst" / "programs"
BIN = Path(sys.executable).parent
HOW = "--rubinprof-mode sampled --rubinprof-exact-if retry"
CLUSTER = 25
"""Quanta of a job."""
BPS = """
pipelineYaml: {directory}/pipeline.yaml
project: rubinprof
campaign: rubinprof
operator: me
wmsServiceClass: lsst.ctrl.bps.parsl.ParslService
computeSite: local
site: {{local: {{class: lsst.ctrl.bps.parsl.sites.Local, cores: {cores}, retries: 2, commandPrefix: "export PYTHONPATH={programs}:{directory}/mended TINY_DETECTORS={detectors} TINY_MARKS={directory}/marks"}}}}
parsl: {{log_level: INFO}}
submitPath: {directory}/submit
payload:
  payloadName: tiny
  butlerConfig: {directory}/repo
  inCollection: inputs
  output: u/me/tiny
  outputRun: u/me/tiny/run
  dataQuery: "instrument='Tiny'"
clusterAlgorithm: lsst.ctrl.bps.quantum_clustering_funcs.dimension_clustering
cluster:
  first: {{pipetasks: behave, dimensions: instrument, partitionDimensions: detector, partitionMaxSize: {cluster}}}
  second: {{pipetasks: again, dimensions: instrument, partitionDimensions: detector, partitionMaxSize: {cluster}, extraRunQuantumOptions: "--rubinprof {small} {how}"}}
extraRunQuantumOptions: "--rubinprof {directory}/spool {how}"
"""
PIPELINE = """
description: Two tasks of a quantum a detector.
instrument: tiny.TinyCamera
tasks:
  behave: {{class: tiny.BehaveTask, config: {{python: "config.behaviours = ['killed_once' if i == {killed} else 'works' for i in range({detectors})]"}}}}
  again: {{class: tiny.BehaveTask, config: {{connections.number: number_again, python: "config.behaviours = ['works'] * {detectors}"}}}}
  collect: tiny.CollectTask
"""


MENDED = """
import os, zipfile
def seek(self, offset, whence=0):
    with self._lock:
        self._file.seek(self._pos + offset if whence == os.SEEK_CUR else offset, os.SEEK_SET if whence == os.SEEK_CUR else whence)
        self._pos = self._file.tell()
        return self._pos
zipfile._SharedFile.seek = seek
"""
"""`sitecustomize` of the jobs."""
READS_ZIP_WRONG = (3, 12, 1) <= sys.version_info[:3] < (3, 12, 9) or (3, 13, 0) <= sys.version_info[:3] < (3, 13, 2)


def free(directory):
    about = os.statvfs(directory)
    return about.f_bavail * about.f_frsize


def fill(directory, leave):
    """Leave so many bytes of the disk."""
    with open(directory / "ballast", "wb") as file:
        while free(directory) > leave:
            file.write(bytes(min(1 << 16, max(1, free(directory) - leave))))
            file.flush()


def add(store, spools, quiet_s=900.0):
    try:
        return campaign.add(store, *spools, workers=0, quiet_s=quiet_s)
    except rubinprof.errors.RubinprofError as error:
        return str(error)  # no trace yet


def prepare(options, directory, small):
    """Write what BPS reads; gives the environment of its jobs."""
    for name in ("", "spool", "marks", "mended"):
        (directory / name).mkdir()
    about = {"directory": directory, "small": small, "cores": options.cores, "detectors": options.detectors, "killed": options.detectors // 2, "cluster": CLUSTER, "programs": PROGRAMS, "how": HOW}
    (directory / "pipeline.yaml").write_text(PIPELINE.format(**about))
    (directory / "bps.yaml").write_text(BPS.format(**about))
    if READS_ZIP_WRONG:
        (directory / "mended" / "sitecustomize.py").write_text(MENDED)
    fill(small, options.leave)
    return os.environ | {
        "PYTHONPATH": f"{PROGRAMS}{os.pathsep}{directory / 'mended'}", "TINY_DETECTORS": str(options.detectors), "TINY_MARKS": str(directory / "marks"),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip


def submit(directory, environment, store, spools):
    """Run bps, and add what its jobs write meanwhile; gives its exit status, and what came of each add."""
    adds = []
    with open(directory / "bps.log", "w") as log:
        bps = subprocess.Popen([BIN / "bps", "submit", directory / "bps.yaml"], cwd=directory, env=environment, stdout=log, stderr=log)
        while bps.poll() is None:
            adds.append(add(store, spools))
            with contextlib.suppress(subprocess.TimeoutExpired):
                bps.wait(15)
    return bps.returncode, adds


def outcome(directory, store, spools):
    """What the store has at the end, beside what is in the spools and what the middleware says."""
    last, again = (add(store, spools, quiet_s=0.0) for _ in range(2))
    campaign.add_butler(store, str(directory / "repo"), ["u/me/tiny/run"])
    found, whole = campaign.open(store), campaign.Store.open(store)
    return {
        "new at the end": last.new, "growing at the end": len(last.growing), "refused": [entry["reason"] for entry in again.refused], "new again": again.new, "verify": whole.verify(),
        "traces in spools": sum(len(list(spool.rglob("*.rprof"))) for spool in spools), "traces in store": whole.count(),
        "small disk free": free(spools[1]), "not complete": found.totals()["not_complete"], "lost events": found.totals()["lost_events"],
        "with metadata": dict(found.sql("SELECT task, count(DISTINCT data_id) FROM metadata GROUP BY task ORDER BY task").fetchall()),
        "quanta": found.sql("SELECT task, status, exact_if, mode_cpu, attempt, has_trace, count(*) FROM quanta GROUP BY ALL ORDER BY ALL").fetchall(),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--detectors", type=int, default=100)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--small-disk", type=Path, required=True)
    parser.add_argument("--leave", type=int, default=100_000, help="bytes of the small disk that are free at the begin")
    options = parser.parse_args()
    directory, small = options.directory.resolve(), options.small_disk.resolve()
    environment = prepare(options, directory, small)
    subprocess.run([sys.executable, PROGRAMS / "make_tiny_repo.py", directory / "repo"], env=environment, check=True)
    store, spools, began = directory / "store", [directory / "spool", small], time.time()
    status, adds = submit(directory, environment, store, spools)
    told = {"bps exit": status, "wall_s": round(time.time() - began), "new at each add": [one if isinstance(one, str) else one.new for one in adds]}
    print(json.dumps(told | outcome(directory, store, spools), indent=1, default=str))
    log = "".join(path.read_text(errors="replace") for path in (directory / "submit").rglob("*.std*"))
    print(dict(Counter(line.partition("rubinprof")[2][:60] for line in log.splitlines() if "rubinprof" in line and "WARN" in line)))


if __name__ == "__main__":
    main()
