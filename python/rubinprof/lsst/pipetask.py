"""``rubinprof-pipetask ARGS…``: ``pipetask`` with the option ``--rubinprof``.

For installations where the ``.pth`` file beside rubinprof is not read, such
as a directory on ``PYTHONPATH``. Also ``python -m rubinprof.lsst.pipetask``.
"""

import importlib.util
import sys

__all__ = ["main"]


def main():
    """Run ``pipetask`` with the arguments of this process."""
    # Imported here: workers import this module too, to find the main program.
    if importlib.util.find_spec("lsst") is None or importlib.util.find_spec("lsst.ctrl.mpexec") is None:
        print("rubinprof-pipetask needs the Rubin middleware: pip install lsst-ctrl-mpexec", file=sys.stderr)
        return 2
    from lsst.ctrl.mpexec.cli import cmd, pipetask

    from .option import add_options

    add_options(cmd)
    return pipetask.cli(prog_name="rubinprof-pipetask")


if __name__ == "__main__":
    sys.exit(main())
