"""A recursion 900 frames deep that allocates at every depth, on the way down and on the way up."""

import sys


def descend(depth, width):
    block = bytearray(600 + depth)
    below = descend(depth - 1, width) if depth else sum(len(bytes(700 + i)) for i in range(width))
    return (below + len(block) + len(bytes(600 + (below & 255)))) & 0xFFFFF


def main(rounds):
    total = 0
    for k in range(rounds):
        total = (total * 31 + descend(900, 100 + k % 7)) % 1000003
    print("deep_recursion", total)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1200)
