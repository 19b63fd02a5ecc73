"""`make demo`: a real pipeline of the Rubin middleware, traced. Words after it go to benchmarks/demo/run.py."""

import subprocess
import sys

import environment
from environment import ROOT


def main(arguments):
    python = environment.pythons()[0]
    environment.system_deps("--python", python.path)
    env = environment.Environment(ROOT / ".venv", python, environment.fetch_uv(python))
    print(f"preparing .venv with CPython {python.full}", flush=True)
    env.create()
    env.install_requirements("benchmarks/demo/requirements.txt")
    env.install_rubinprof()
    demo = ROOT / "benchmarks" / "demo" / "run.py"
    return subprocess.run([env.python, demo, *arguments], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
