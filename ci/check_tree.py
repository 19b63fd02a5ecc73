"""Nothing of others is in the tree: git holds files of the kinds that people write here, and pictures of the pages.

A package, an archive or a binary that a script left in the root is found before `git add .` makes it ours.
"""

import subprocess
import sys
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
KINDS = {".c", ".cpp", ".css", ".h", ".html", ".in", ".js", ".litmus", ".map", ".md", ".pth", ".py", ".pyi", ".rst", ".sh", ".toml", ".txt", ".typed", ".yaml"}
PICTURES = {".png"}
NAMED = {".ci/run", ".gitignore", "LICENSE", "Makefile", "benchmarks/peers/released.json"}
OF_ANY_KIND = ("tests/fuzz/corpus/", "tests/golden/format-", "tests/golden/release-")  # what our own makers write


def complaint(path):
    """What is wrong with a tracked file of this path, or None."""
    if path in NAMED or path.startswith(OF_ANY_KIND):
        return None
    suffix = PurePosixPath(path).suffix
    if suffix in KINDS or (suffix in PICTURES and path.startswith("docs/")):
        return None
    return f"{path} is of no kind that is kept in git; if it is ours, name it in ci/check_tree.py"


def main():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if listed.returncode:
        print("tree: this is no git checkout; not checked")
        return 0
    paths = [path for path in listed.stdout.decode().split("\0") if path]
    wrong = [sentence for sentence in map(complaint, paths) if sentence]
    for sentence in wrong:
        print(f"tree: {sentence}")
    if not wrong:
        print(f"tree: {len(paths)} files, all of kinds that people write here")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
