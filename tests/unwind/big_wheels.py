"""What big wheels do, for judge.py: their threads, their exceptions, their vector code. `python big_wheels.py scipy`."""

import contextlib
import io
import sys


def pyarrow():
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    random = np.random.default_rng(1)
    n = 400_000
    table = pa.table({"a": random.integers(0, 1000, n), "b": random.random(n), "s": [f"x{i % 977}" for i in range(n)]})
    for codec in ("snappy", "zstd", "gzip") * 4:
        file = io.BytesIO()
        pq.write_table(table, file, compression=codec)
        file.seek(0)
        read = pq.read_table(file)
        read.group_by("s").aggregate([("a", "sum"), ("b", "mean")])
        table.sort_by("a")
        read.filter(pc.less(read["b"], 0.5))
        with contextlib.suppress(pa.ArrowInvalid):
            pc.cast(pa.array(["q"] * 10), pa.int64())


def scipy():
    import numpy as np
    from scipy import fft, integrate, linalg, ndimage, optimize, signal, sparse, spatial, special
    from scipy.sparse.linalg import eigsh, spsolve

    random = np.random.default_rng(1)
    for _ in range(4):
        a = random.random((300, 300))
        linalg.svd(a), linalg.eigh(a + a.T), linalg.expm(a / 300), linalg.solve(a, a)
        m = sparse.random(2000, 2000, 0.002, format="csr", random_state=1) + sparse.eye(2000)
        spsolve(m.tocsc(), np.ones(2000)), eigsh(m + m.T, k=4)
        spatial.cKDTree(random.random((20000, 3))).query(random.random((20000, 3)), k=4)
        spatial.Delaunay(random.random((3000, 2))), spatial.ConvexHull(random.random((3000, 3)))
        optimize.minimize(optimize.rosen, np.ones(8) * 1.3), optimize.differential_evolution(optimize.rosen, [(-2, 2)] * 3, maxiter=10)
        optimize.linprog(random.random(50), A_ub=random.random((40, 50)), b_ub=np.ones(40) * 20)
        fft.fft(random.random((500, 777))), fft.dct(random.random((500, 777)))
        integrate.solve_ivp(lambda t, y: -y, (0, 10), np.ones(3), method="LSODA")
        special.jv(2.5, random.random(20000) * 9), special.gammainc(2.3, random.random(20000) * 9)
        ndimage.gaussian_filter(random.random((400, 400)), 3), signal.fftconvolve(random.random((300, 300)), random.random((50, 50)))


def polars():
    import duckdb
    import numpy as np
    import polars as pl

    random = np.random.default_rng(1)
    n = 500_000
    frame = pl.DataFrame({"a": random.integers(0, 1000, n), "b": random.random(n), "s": [f"x{i % 977}" for i in range(n)]})
    for _ in range(8):
        grouped = frame.lazy().group_by("s").agg(pl.col("a").sum(), pl.col("b").quantile(0.3)).sort("s").collect()
        frame.join(grouped, on="s")
        with contextlib.suppress(pl.exceptions.ColumnNotFoundError):
            frame.select("zz")
        database = duckdb.connect()
        database.sql("select s, sum(a) x, quantile_cont(b, .3) from frame group by s order by x").fetchall()
        with contextlib.suppress(duckdb.Error):
            database.sql("select zz from frame").fetchall()
        database.sql("select count(*) from frame x join frame y on x.a = y.a where x.b < .01").fetchall()


def crypto():
    """Assembly written by hand, with frame information written by hand."""
    import bz2
    import hashlib
    import os
    import sqlite3
    import ssl
    import zlib

    data = os.urandom(1 << 20)
    for _ in range(20):
        for name in ("sha1", "sha256", "sha512", "md5", "sha3_256"):
            hashlib.new(name, data).digest()
        hashlib.pbkdf2_hmac("sha256", b"x", b"y", 20000)
        zlib.compress(data[:200_000]), bz2.compress(data[:200_000])
        ssl.create_default_context()
        database = sqlite3.connect(":memory:")
        database.execute("create table t(a, b)")
        database.executemany("insert into t values(?, ?)", ((i, i * i) for i in range(20000)))
        database.execute("select sum(a * b) from t group by a % 7").fetchall()


if __name__ == "__main__":
    {"pyarrow": pyarrow, "scipy": scipy, "polars": polars, "crypto": crypto}[sys.argv[1]]()
