"""Where a row of a table is, as text."""

from typing import Any

__all__ = ["LINE_UNKNOWN", "place_of"]

LINE_UNKNOWN = "[line unknown]"


def place_of(row: dict[str, Any]) -> str:
    """The file and line of a row by function or line; its library where there is no file."""
    if not row["file"]:
        return row["module"]
    return f"{row['file']} {LINE_UNKNOWN}" if row["line"] is None else f"{row['file']}:{row['line']}"
