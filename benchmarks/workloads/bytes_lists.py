"""Bytes, lists and dicts that grow and go: what the C library's allocator sees of plain Python."""

import sys


def build(n):
    rows = []
    for i in range(n):
        row = bytes(600 + (i * 37) % 900)
        rows.append(row)
        if i % 3 == 0:
            rows.pop(len(rows) // 2)
    return rows


def index(rows):
    table = {}
    for i, row in enumerate(rows):
        table.setdefault(len(row), []).append(i)
    return table


def join(rows):
    text = bytearray()
    for row in rows:
        text += row[:64]
    return bytes(text)


def main(rounds):
    total = 0
    kept = []
    for k in range(rounds):
        rows = build(1500)
        table = index(rows)
        text = join(rows)
        total = (total * 31 + len(text) + sum(map(len, table.values())) + len(table)) % 1000003
        kept.append(rows[k % 7 :: 50])
        if len(kept) > 5:
            kept.pop(0)
    print("bytes_lists", total)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
