"""What stands beside a peak where reserved pools may hide a part of it."""

from typing import Any

from rubinprof.metrics import text_of

__all__ = ["pool_hint"]


def pool_hint(stats: dict[str, Any]) -> str:
    """`` (+ up to 178 MiB in pools)``, from the keys of a trace's stats; empty where there is nothing to tell, or nobody knows."""
    most = stats.get("pool_bytes_max")
    return f" (+ up to {text_of(most, 'bytes')} in reserved pools)" if most else ""
