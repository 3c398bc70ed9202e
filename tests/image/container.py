"""Runs an image's command from the image's own files, without a container engine.

Engines need a daemon or cgroups that a closed machine may not give. What they do with a hardened pod is done here by
hand: namespaces of its own for mounts and processes, a read-only root, a fresh `/tmp`, the image's user, environment
and command, no capability, no way to gain one.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SCRIPT = """
set -eu
root=$1; shift
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs -o size=512m,mode=1777 tmpfs "$root/tmp"
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"""


@dataclass(frozen=True)
class Image:
    """An image that buildah has: its files are mounted at `root`; `config` as in the OCI image specification."""

    root: Path
    config: dict[str, object]
    size: int

    def command(self, *command: str, **variables: str) -> list[str]:
        """The command line that runs `command` (the image's own by default) as a container would."""
        environment = [*map(str, self._list("Env")), *(f"{key}={value}" for key, value in variables.items())]
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SCRIPT, "container", str(self.root)),
            *("setpriv", f"--reuid={self.user}", f"--regid={self.group}", "--clear-groups", "--no-new-privs"),
            *("--bounding-set=-all", "--inh-caps=-all"),
            *("env", "--ignore-environment", f"--chdir={self.config['WorkingDir']}", *environment),
            *(command or map(str, [*self._list("Entrypoint"), *self._list("Cmd")])),
        ]

    @property
    def user(self) -> str:
        return str(self.config["User"]).split(":")[0]

    @property
    def group(self) -> str:
        return str(self.config["User"]).split(":")[1]

    def _list(self, key: str) -> list[object]:
        value = self.config.get(key) or []
        assert isinstance(value, list)
        return value


@contextlib.contextmanager
def mounted(name: str) -> Iterator[Image]:
    """The image `name`, its files mounted for as long as the context lasts."""
    container = _output("buildah", "from", "--pull-never", name)
    try:
        described = json.loads(_output("buildah", "inspect", "--type", "image", name))
        (size,) = json.loads(_output("buildah", "images", "--json", name))
        yield Image(
            root=Path(_output("buildah", "mount", container)),
            config=described["Docker"]["config"],
            size=int(_bytes(str(size["size"]))),
        )
    finally:
        subprocess.run(["buildah", "rm", container], check=True, capture_output=True)


def _bytes(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()]


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
