"""One malloc and one free a round, and no Python call: bytes too large for Python's own allocator."""

import sys


def main(rounds):
    total = 0
    for i in range(rounds):
        total += len(bytes(2000 + (i & 63)))
    print("alloc_pairs", total)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000)
