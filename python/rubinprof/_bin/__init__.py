"""Starts the C program rubinprof-analyze that the wheel carries beside this file."""

import os
import subprocess
import sys


def main() -> int:
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rubinprof-analyze")
    if sys.platform == "win32":
        program += ".exe"
    if not os.path.exists(program):
        print(f"rubinprof-analyze: the program is missing at {program}; install rubinprof again.", file=sys.stderr)
        return 2
    arguments = ["rubinprof-analyze", *sys.argv[1:]]
    if sys.platform == "win32":
        return subprocess.call(arguments, executable=program)
    os.execv(program, arguments)


if __name__ == "__main__":
    sys.exit(main())
