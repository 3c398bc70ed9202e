"""What a drill found, as a row of one table."""

from dataclasses import dataclass

HEAD = "| drill | tried | lost | worst | held |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Row:
    """`tried`: requests, files or photos; `lost`: those without the answer that the contract promises; `worst`: what
    was worst, in words; `held`: whether the bound that the drill names was kept."""

    name: str
    tried: int
    lost: int
    worst: str
    held: bool

    def __str__(self) -> str:
        return f"| {self.name} | {self.tried:,} | {self.lost:,} | {self.worst} | {'yes' if self.held else '**no**'} |"
