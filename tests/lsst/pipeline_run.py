"""Runs pipelines of the real middleware in processes of their own and says what came of it."""

import contextlib
import fcntl
import json
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import rubinprof

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).resolve().parent / "programs"
DEMO = ROOT / "benchmarks" / "demo"

PIPETASK = [str(Path(sys.executable).with_name("pipetask"))]
FRONT_END = [sys.executable, "-m", "rubinprof.lsst.pipetask"]
PROCESS_SECONDS_MAX = 240


@dataclass
class Run:
    """A finished ``pipetask run``."""

    exit_code: int
    output: str
    summary: dict
    traces: Path

    def outcomes(self):
        """Say how each quantum ended, as the middleware reports it."""
        return {
            (quantum["taskLabel"], tuple(sorted(quantum["dataId"].items()))): (
                quantum["status"],
                quantum.get("exitCode"),
                (quantum.get("exceptionInfo") or {}).get("className"),
            )
            for quantum in self.summary.get("quantaReports", [])
        }

    def trace_files(self):
        return sorted(self.traces.rglob("*.rprof"))


def call(words, cwd, **environment):
    """Run a program; return its exit code and its output, both streams in one.

    Parameters
    ----------
    words : `list`
        Program and arguments.
    cwd : `pathlib.Path`
        Directory to run it in.
    **environment
        Further environment variables.
    """
    path = os.pathsep.join(filter(None, [str(PROGRAMS), str(DEMO), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PROCESS_SECONDS_MAX,
    )
    return done.returncode, done.stdout


def must_call(words, cwd, **environment):
    """Run a program that has to succeed; return its output."""
    code, output = call(words, cwd, **environment)
    assert code == 0, output
    return output


@contextlib.contextmanager
def made_once(directory):
    """Let the first of several test processes make something in a directory.

    Yields
    ------
    missing : `bool`
        Whether it still has to be made, by the caller.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not (directory / "made").exists()
        (directory / "made").touch()


class TinyPipeline:
    """The tiny pipeline in one repository, for all tests of a session.

    Parameters
    ----------
    directory : `pathlib.Path`
        Where everything lies. The test processes of a session share it.
    """

    def __init__(self, directory):
        self.directory = directory
        self.repo = directory / "repo"
        with made_once(directory) as missing:
            if missing:
                must_call([sys.executable, PROGRAMS / "make_tiny_repo.py", self.repo], directory)

    def run(self, name, behaviours, *options, traced=True):
        """Run the pipeline, or return the run that another test asked for.

        Parameters
        ----------
        name : `str`
            Name of the run; the same name always means the same arguments.
        behaviours : `list` [`str`]
            How the quantum of each detector ends; the rest has none.
        *options : `str`
            Further options of ``pipetask run``.
        traced : `bool`, optional
            Whether to trace it.
        """
        directory = self.directory / name
        with made_once(directory) as missing:
            if missing:
                run = self._run(directory, name, behaviours, options, traced)
                (directory / "run.pickle").write_bytes(pickle.dumps(run))
        return pickle.loads((directory / "run.pickle").read_bytes())

    def _run(self, directory, name, behaviours, options, traced):
        summary, traces = directory / "summary.json", directory / "traces"
        command = [*(FRONT_END if traced else PIPETASK), "run", "-b", self.repo, "-i", "inputs"]
        command += ["--output-run", name, "--register-dataset-types", *self.selection(behaviours)]
        command += ["--summary", summary, *options, *(["--rubinprof", traces] if traced else [])]
        exit_code, output = call(command, directory)
        report = json.loads(summary.read_text()) if summary.exists() else {}
        return Run(exit_code, output, report, traces)

    def selection(self, behaviours):
        """Return the options that choose the tasks and their quanta."""
        return [
            *["-p", PROGRAMS / "tiny.yaml", "-c", f"behave:behaviours={behaviours!r}"],
            *["-d", f"instrument='Tiny' AND detector < {len(behaviours)}"],
        ]


def quantum_regions(*traces):
    """Return the regions of traces that are quanta, in the order in which they began."""
    return [row for row in rubinprof.open(*traces).regions() if "data_id" in row["labels"]]
