"""What is to do: the archive cut into parts, less what RESULTS holds.

A part is a run of photos in the source's order and becomes one Parquet file, named after the photos in it, so a part is
done or not begun; done twice, by a retry or by two runs at once, it is the same file. Nothing here grows with the
archive but the names of parts that are done.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

from bulk.results import Results
from bulk.rows import NO_FACE, OK
from bulk.source import digest, photos

LARGEST_PART, SMALLEST_PART = 1000, 8
"""Photos in a part: many, so that there are few files; few, so that a small archive still keeps all cores busy."""

PARTS_PER_CORE = 16
"""How many parts of a small archive a core gets: at the end none waits long for another one, and a part costs 30 ms."""

SMALL_ARCHIVE = 100_000
"""So many photos are counted before the work begins; whether there are more is of no account for the size of a part."""


@dataclass(frozen=True)
class Part:
    """Photos to analyse. `again`: the file is there, and only its failed photos are analysed again."""

    name: str
    photos: tuple[str, ...]
    again: bool = False


@dataclass(frozen=True)
class Survey:
    """What a look through the whole source finds: photos, those of them that are to do, parts that it does not have."""

    photos: int
    left: int
    others: frozenset[str]


@dataclass(frozen=True)
class Plan:
    """All that says which parts are to do; small, because it goes to the process that lists the source."""

    source: str
    results: str
    photos_per_part: int
    retry_errors: bool = False
    others: frozenset[str] = frozenset()
    """Parts of the source as it was, whose photos it may still have: it has changed, or RESULTS holds two sources."""

    def parts(self) -> Iterator[Part]:
        """The parts that are to be done, while the source is still being listed; no photo is in two of them."""
        results = Results(self.results)
        present = results.parts()
        done = {digest(photo) for name in self.others for photo in results.values(name, "photo")}
        for part in cut(photos(self.source), self.photos_per_part):
            if part.name in present:
                continue
            left = tuple(photo for photo in part.photos if digest(photo) not in done) if done else part.photos
            if left:
                yield part if left == part.photos else Part(name_of(left), left)
        if self.retry_errors:
            for name in sorted(present):
                if not set(results.values(name, "outcome")) <= {OK, NO_FACE}:
                    yield Part(name, (), again=True)

    def survey(self) -> Survey:
        """Lists the source without doing anything."""
        present = Results(self.results).parts()
        others = set(present)
        total = left = 0
        for part in cut(photos(self.source), self.photos_per_part):
            total += len(part.photos)
            left += 0 if part.name in present else len(part.photos)
            others.discard(part.name)
        return Survey(total, left, frozenset(others))


def cut(uris: Iterable[str], size: int) -> Iterator[Part]:
    """Parts of about `size` photos, `size` × 1.5 at most.

    A part ends where its last photo's digest says so, as backup programs cut files (content-defined chunking): photos
    that come, go or are renamed change the parts that they are in and leave all others as they are.
    """
    least, most = max(1, size // 2), max(1, size + size // 2)
    names: list[str] = []
    for uri in uris:
        names.append(uri)
        ends = len(names) >= least and int.from_bytes(digest(uri), "big") % least == 0
        if ends or len(names) == most:
            yield Part(name_of(names), tuple(names))
            names.clear()
    if names:
        yield Part(name_of(names), tuple(names))


def name_of(uris: Iterable[str]) -> str:
    """A name that only these photos in this order have."""
    return "part-" + blake2b("\n".join(uris).encode(), digest_size=16).hexdigest()


def size_for(source: str, cores: int) -> int:
    """About how many photos a part should have."""
    count = sum(1 for _ in islice(photos(source), SMALL_ARCHIVE))
    if count == SMALL_ARCHIVE:
        return LARGEST_PART
    return max(SMALLEST_PART, min(LARGEST_PART, count // (cores * PARTS_PER_CORE)))
