"""`make dev`: .venv with an editable rubinprof and everything the tests need.

Python files are used where they lie; after a change of C run `make dev` again.
"""

import sys

import environment
from environment import ROOT


def main():
    python = environment.pythons()[0]
    environment.system_deps("--for-tests", "--python", python.path)
    env = environment.Environment(ROOT / ".venv", python, environment.fetch_uv(python))
    env.create()
    env.install_requirements("tests/requirements.txt", "benchmarks/demo/requirements.txt")
    env.install_rubinprof(editable=True)
    print(f".venv is ready (CPython {python.full}): . .venv/bin/activate")


if __name__ == "__main__":
    sys.exit(main())
