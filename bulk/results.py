"""RESULTS: a folder or bucket of Parquet files, one a part, and beside them how they were made.

A part's file is there whole or not at all, and its name says which photos are in it. That is all the state there is:
nothing else must survive a crash.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.compute as pc
from pyarrow import fs
from pyarrow import parquet as pq

from bulk.rows import Row
from bulk.storage import TEMPORARY, locate, put

RUN = "_run.json"

SUFFIX = ".parquet"


class Refused(RuntimeError):
    """RESULTS was made in another way; the message says what to do."""


@dataclass(frozen=True)
class Run:
    """How RESULTS is made; kept beside the parts, so that going on means the same parts and the same model."""

    model: str
    detail: str
    photos_per_part: int


class Results:
    """The folder or bucket of the Parquet files."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/") if "://" in uri else str(Path(uri).absolute())
        self.system, self.path = locate(self.uri)
        if isinstance(self.system, fs.LocalFileSystem):
            Path(self.path).mkdir(parents=True, exist_ok=True)

    def parts(self) -> set[str]:
        """The names of all parts that are there."""
        return {name.removesuffix(SUFFIX) for name in self._files() if name.endswith(SUFFIX)}

    def file(self, part: str) -> str:
        """The path of a part's file in `system`."""
        return f"{self.path}/{part}{SUFFIX}"

    def rows(self, part: str) -> list[Row]:
        """What is in a part's file."""
        found: list[Row] = pq.read_table(self.file(part), filesystem=self.system, partitioning=None).to_pylist()
        return found

    def put(self, part: str, data: bytes) -> None:
        """Write a part's file, or replace it."""
        put(f"{self.uri}/{part}{SUFFIX}", data)

    def values(self, part: str, column: str) -> list[str]:
        """What is in a column of a part's file, each value once."""
        table = pq.read_table(self.file(part), columns=[column], filesystem=self.system, partitioning=None)
        found: list[str] = pc.unique(table[column]).to_pylist()
        return found

    def run(self) -> Run | None:
        """How these results were made so far, or None where there are none."""
        path = f"{self.path}/{RUN}"
        if self.system.get_file_info(path).type == fs.FileType.NotFound:
            return None
        with self.system.open_input_stream(path) as stream:
            return Run(**json.loads(stream.read()))

    def begin(self, wanted: Run, another_model: bool) -> Run:
        """The run to go on with; what a killed run left half-written is removed.

        Raises `Refused` when the model or the detail is another one than before.
        """
        before = self.run()
        if before and before.detail != wanted.detail:
            raise Refused(
                f"{self.uri} was made with --detail {before.detail}; go on with that, or choose another --out"
            )
        if before and before.model != wanted.model and not another_model:
            raise Refused(
                f"{self.uri} was made with model {before.model}, this is {wanted.model}; "
                "choose another --out, or pass --another-model to have both in it"
            )
        for name in self._files():
            if name.endswith(TEMPORARY):
                self.system.delete_file(f"{self.path}/{name}")
        run = Run(wanted.model, wanted.detail, before.photos_per_part) if before else wanted
        if run != before:
            put(f"{self.uri}/{RUN}", json.dumps(asdict(run)).encode())
        return run

    def _files(self) -> list[str]:
        selector = fs.FileSelector(self.path, allow_not_found=True)
        return [info.base_name for info in self.system.get_file_info(selector)]
