from collections.abc import Callable, Iterable
from os import PathLike
from typing import Literal, final, overload

REPORTS: tuple[str, ...]
METRICS: str  # JSON: what is known of each
REGION_COLUMNS: str  # JSON: "columns" of the report "regions"

@final
class Trace:
    @overload
    def report(
        self,
        name: str,
        /,
        *,
        format: Literal["text", "json", "csv"] = "json",
        by: str | None = None,
        metric: str | None = None,
        n: int = 0,
        depth: int = 0,
        min_share: float = 0.0,
        file: str | None = None,
        region: str | None = None,
        full_names: bool = False,
        keep_dispatch: bool = False,
        ascii: bool = False,
        width: int = 0,
        colour: bool = False,
        write: None = None,
        progress: Callable[[int, int], object] | None = None,
        jobs: int = 0,
        index: bool = False,
        native: bool = False,
    ) -> bytes: ...
    @overload
    def report(
        self,
        name: str,
        /,
        *,
        format: Literal["text", "json", "csv"] = "json",
        by: str | None = None,
        metric: str | None = None,
        n: int = 0,
        depth: int = 0,
        min_share: float = 0.0,
        file: str | None = None,
        region: str | None = None,
        full_names: bool = False,
        keep_dispatch: bool = False,
        ascii: bool = False,
        width: int = 0,
        colour: bool = False,
        write: Callable[[bytes], object],
        progress: Callable[[int, int], object] | None = None,
        jobs: int = 0,
        index: bool = False,
        native: bool = False,
    ) -> None: ...
    def is_whole(self) -> bool: ...
    def files(self) -> list[tuple[str, str | None]]: ...
    def heads(self) -> list[tuple[str, bool]]: ...
    def close(self) -> None: ...

def open(paths: Iterable[str | bytes | PathLike[str]], /) -> Trace: ...
def recover(path: str | PathLike[str], out_path: str | PathLike[str], /) -> str: ...
def crc32c(bytes: bytes, /) -> int: ...
def give_memory_back() -> None: ...
def csv_cell(text: str, /) -> str: ...
