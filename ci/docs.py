"""`make docs`: the documentation site in build/docs/index.html; a warning is an error."""

import subprocess
import sys

import environment
from environment import ROOT, VENVS

SITE = ROOT / "build" / "docs"


def main():
    python = environment.pythons()[0]
    environment.system_deps("--python", python.path)
    env = environment.Environment(VENVS / "docs", python, environment.fetch_uv(python))
    env.create()
    env.install_requirements("docs/requirements.txt")
    env.install_rubinprof()
    sphinx = [env.python, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", ".", SITE]
    done = subprocess.run(sphinx, cwd=ROOT / "docs").returncode
    if not done:
        print(f"{SITE / 'index.html'}")
    return done


if __name__ == "__main__":
    sys.exit(main())
