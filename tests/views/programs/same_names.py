"""Functions of one name: methods and lambdas of one file, and all of two files of one name."""

import pathlib
import sys

SOURCE = """\
def main(n):
    return sum(step(i) for i in range(n))


def step(i):
    return (lambda x: x * {factor})(i) + [j for j in range({factor})][-1]


class First:
    def run(self, n):
        return main(n)


class Second:
    def run(self, n):
        return main(2 * n) + First().run(n)
"""

for directory, factor in (("one", 3), ("two", 5)):
    home = pathlib.Path(sys.argv[1], directory)
    home.mkdir()
    (home / "work.py").write_text(SOURCE.format(factor=factor))

modules = []
for directory in ("one", "two"):
    sys.path[0] = str(pathlib.Path(sys.argv[1], directory))
    sys.modules.pop("work", None)
    modules.append(__import__("work"))

first = lambda n: modules[0].Second().run(n)  # noqa: E731
second = lambda n: modules[1].Second().run(n) + first(n)  # noqa: E731
for _ in range(20):
    second(300)
