"""What is left to do: the archive cut into parts, less what RESULTS holds.

A part is a run of photos in the source's order and becomes one Parquet file, named after the photos in it. The file is
there whole or not at all, so a part is done or not begun; done twice, by a retry or by two runs at once, it is the same
file. That is all the state there is: nothing else must survive a crash.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import pyarrow.compute as pc
from pyarrow import fs
from pyarrow import parquet as pq

from bulk.rows import NO_FACE, OK
from bulk.storage import TEMPORARY, locate, put

LARGEST_PART, SMALLEST_PART = 1000, 8
"""Photos in a part: many, so that there are few files; few, so that a small archive still keeps all cores busy."""

RUN = "_run.json"


class Refused(RuntimeError):
    """RESULTS was made in another way; the message says what to do."""


@dataclass(frozen=True)
class Run:
    """How RESULTS is made; kept beside the parts, so that going on means the same parts and the same model."""

    model: str
    detail: str
    photos_per_part: int


@dataclass(frozen=True)
class Part:
    """Photos to analyse. `again`: the file is there, and only its failed photos are analysed again."""

    name: str
    photos: tuple[str, ...]
    again: bool = False


class Results:
    """The folder or bucket of the Parquet files."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/") if "://" in uri else str(Path(uri).absolute())
        self.system, self.path = locate(self.uri)
        if isinstance(self.system, fs.LocalFileSystem):
            Path(self.path).mkdir(parents=True, exist_ok=True)

    def listed(self) -> dict[str, str]:
        """The paths of all parts, by name; what a killed run left half-written is removed."""
        found = {}
        for info in self.system.get_file_info(fs.FileSelector(self.path, allow_not_found=True)):
            if info.base_name.endswith(TEMPORARY):
                self.system.delete_file(info.path)
            elif info.base_name.endswith(".parquet"):
                found[info.base_name.removesuffix(".parquet")] = info.path
        return dict(sorted(found.items()))

    def run(self) -> Run | None:
        """How these results were made so far, or None where there are none."""
        path = f"{self.path}/{RUN}"
        if self.system.get_file_info(path).type == fs.FileType.NotFound:
            return None
        with self.system.open_input_stream(path) as stream:
            return Run(**json.loads(stream.read()))

    def begin(self, wanted: Run, another_model: bool) -> Run:
        """The run to go on with. Raises `Refused` when the model or the detail is another one than before."""
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
        run = Run(wanted.model, wanted.detail, before.photos_per_part) if before else wanted
        if run != before:
            put(f"{self.uri}/{RUN}", json.dumps(asdict(run)).encode())
        return run


def parts(photos: Iterator[str], results: Results, size: int, retry_errors: bool) -> Iterator[Part]:
    """The parts that are to be done, none of whose photos is in another part."""
    present = results.listed()
    cut, unknown = [], set(present)
    queue = iter(photos)
    while names := tuple(islice(queue, size)):
        part = Part(name_of(names), names)
        unknown.discard(part.name)
        if part.name not in present:
            cut.append(part)
    # The source has changed since, or it is another one: what it shares with the parts that are not its own is done.
    done = {photo for name in unknown for photo in _column(results, present[name], "photo")} if cut else set()
    for part in cut:
        left = tuple(photo for photo in part.photos if photo not in done) if done else part.photos
        if left:
            yield part if left == part.photos else Part(name_of(left), left)
    if retry_errors:
        for name, path in present.items():
            if not set(_column(results, path, "outcome")) <= {OK, NO_FACE}:
                yield Part(name, (), again=True)


def name_of(photos: tuple[str, ...]) -> str:
    """A name that only these photos in this order have."""
    return "part-" + blake2b("\n".join(photos).encode(), digest_size=16).hexdigest()


def size_for(count: int, cores: int) -> int:
    """Photos in a part, so that at the end no core waits long for another one."""
    return max(SMALLEST_PART, min(LARGEST_PART, count // (cores * 32)))


def _column(results: Results, path: str, name: str) -> list[str]:
    table = pq.read_table(path, columns=[name], filesystem=results.system, partitioning=None)
    values: list[str] = pc.unique(table[name]).to_pylist()
    return values
