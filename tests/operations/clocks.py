"""A wall clock for a process that a test starts, which can be set while it runs."""

import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
COMPILE_SECONDS = 120


class Clock:
    """Ahead of the machine's clock, or behind it."""

    def __init__(self, folder: Path) -> None:
        """Compiles what is loaded into the process, with the compiler that Rust links with."""
        library = folder / "clock.so"
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True, timeout=COMPILE_SECONDS)
        self._file = folder / "clock-ahead"
        self._file.write_bytes(bytes(8))
        self.variables = {"LD_PRELOAD": str(library), "CLOCK_AHEAD_FILE": str(self._file)}
        """What the process has in its environment."""

    def set_ahead(self, seconds: int) -> None:
        """Jumps. The file is the process's memory: written in place, and at once."""
        with self._file.open("r+b") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))
