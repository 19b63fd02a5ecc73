"""Run the tiny pipeline as BPS jobs do, sampled but for some quanta, the second job after the first one failed: exact_if.py REPO RUN DIRECTORY CONDITIONS

It leaves the two jobs' traces in DIRECTORY/traces. Detector 1 fails in the first job.
"""

import sys
from pathlib import Path

from lsst.ctrl.mpexec.cli import cmd
from provenance import call, job

from rubinprof.lsst.option import add_options


def main(repo, run, directory, conditions):
    add_options(cmd)
    predicted = directory / "predicted.qg"
    call(cmd.qgraph, "-b", repo, "-i", "inputs", "--output-run", run, "-p", Path(__file__).with_name("tiny.yaml"), "--save-qgraph", predicted,
         "-c", "behave:behaviours=['done','flaky','done']", "-d", "instrument='Tiny' AND detector < 3")  # fmt: skip
    call(cmd.pre_exec_init_qbb, repo, predicted)
    sampled = ["--rubinprof-mode", "sampled"]
    job(directory, repo, *sampled, "--rubinprof-exact-if", conditions, TINY_FAILS="yes")
    job(directory, repo, *sampled, RUBINPROF_PIPETASK_EXACT_IF=conditions)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4])
