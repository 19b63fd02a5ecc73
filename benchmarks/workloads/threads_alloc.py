"""Threads that allocate at once: zlib and hashlib let the GIL go, and take and give back memory while they work."""

import sys
import threading
import zlib


def work(rounds, seed, results):
    data = bytes((seed * 7 + i * 31) & 255 for i in range(4096))
    total = seed
    for i in range(rounds):
        packed = zlib.compress(data, 1)
        total = (total * 31 + zlib.crc32(zlib.decompress(packed)) + len(packed) + i) % 1000003
    results[seed] = total


def main(rounds, threads):
    results = [0] * threads
    workers = [threading.Thread(target=work, args=(rounds, i, results)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print("threads_alloc", sum(results) % 1000003)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000, int(sys.argv[2]) if len(sys.argv) > 2 else 4)
