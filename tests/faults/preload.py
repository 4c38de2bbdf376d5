"""The clock and the disk of one process, as a test wants them: the other end of shim.c."""

import shutil
import struct
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

SOURCE = Path(__file__).with_name("shim.c")


def has_compiler() -> bool:
    return shutil.which("cc") is not None


@cache
def library() -> Path:
    """Compile the shim, once in a run."""
    built = Path(mkdtemp(prefix="shim")) / "shim.so"
    subprocess.run(
        [shutil.which("cc") or "cc", "-shared", "-fPIC", "-o", str(built), str(SOURCE), "-ldl"],
        check=True,
    )
    return built


class Shim:
    """What one process is told of time, and how slow its disk is."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder, self._controls = folder, folder / "controls"
        self._now = [0.0, 0.0]
        self._controls.write_bytes(struct.pack("2d", *self._now))
        self.env = {"LD_PRELOAD": str(library()), "SHIM_DIR": str(folder)}

    def shift(self, seconds: float) -> None:
        """Let its clock be wrong by so much."""
        self._set(0, seconds)

    def stall(self, seconds: float) -> None:
        """Let each sync to the disk take so much longer."""
        self._set(1, seconds)

    def synced(self, file: str) -> int:
        """Return how many bytes of a file were on the disk for certain."""
        told = self._folder / f"synced-{file}"
        return int(told.read_text()) if told.exists() else 0

    def _set(self, which: int, value: float) -> None:
        self._now[which] = value
        with self._controls.open("r+b") as controls:
            controls.write(struct.pack("2d", *self._now))
