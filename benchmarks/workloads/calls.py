"""Pure-Python calls: plain and recursive functions, methods, closures, small classes."""

import sys


def add(a, b):
    return a + b


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def moved(self, dx, dy):
        return Point(self.x + dx, self.y + dy)

    def norm1(self):
        return abs(self.x) + abs(self.y)


def counter():
    n = 0

    def step(by):
        nonlocal n
        n += by
        return n

    return step


def work():
    total = fibonacci(18)
    step = counter()
    point = Point(0, 0)
    for i in range(8000):
        total = add(total, step(i & 3))
        point = point.moved(i & 1, 1)
        total += point.norm1()
    return total


def main(rounds):
    total = 0
    for _ in range(rounds):
        total = (total * 31 + work()) % 1000003
    print("calls", total)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 150)
