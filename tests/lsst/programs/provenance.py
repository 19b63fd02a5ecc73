"""Run the tiny pipeline as BPS jobs do, the second job after the first one failed, and aggregate and ingest its provenance: provenance.py REPO RUN DIRECTORY

It leaves DIRECTORY/graph.qg, and the two jobs' traces in DIRECTORY/traces. Detector 1 fails in the first job and detector 2 in both.
"""

import os
import sys
from pathlib import Path

from lsst.ctrl.mpexec.cli import cmd
from lsst.pipe.base.cli.cmd import commands

from rubinprof.lsst.option import add_options


def call(command, *words):
    command.main([str(word) for word in words], standalone_mode=False)


def job(directory, repo, *words, **environment):
    """What follows the first import is the same in each process: fork instead of five seconds of imports a job."""
    pid = os.fork()
    if not pid:
        os.environ.update(environment)
        try:
            call(cmd.run_qbb, repo, directory / "predicted.qg", "--rubinprof", directory / "traces", *words)
        finally:  # quanta fail, as they were told to
            os._exit(0)
    os.waitpid(pid, 0)


def main(repo, run, directory):
    add_options(cmd)
    predicted = directory / "predicted.qg"
    call(cmd.qgraph, "-b", repo, "-i", "inputs", "--output-run", run, "-p", Path(__file__).with_name("tiny.yaml"), "--save-qgraph", predicted,
         "-c", "behave:behaviours=['done','flaky','failed','no_work']", "-d", "instrument='Tiny' AND detector < 4")  # fmt: skip
    call(cmd.pre_exec_init_qbb, repo, predicted)
    job(directory, repo, TINY_FAILS="yes")
    job(directory, repo)
    call(commands.aggregate_graph, predicted, repo, "-o", directory / "graph.qg", "--register-dataset-types")
    call(commands.ingest_graph, repo, directory / "graph.qg", "--transfer", "copy")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
