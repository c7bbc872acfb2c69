"""Measures whole processes: start, load, one answer, exit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Sequence

from runtime_comparison.turns import WorkerError, environment, processors

LAUNCHER = Path(__file__).resolve().parent / "launch.py"


@dataclass
class ColdStart:
    """One command and what its runs took."""

    runtime: str
    variant: str
    file: str
    command: list[str]
    output: Path
    seconds: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)
    # Why it runs no more.
    error: str | None = None


def launch(entry: ColdStart, threads: int, cache: Path) -> None:
    """Runs the command once, and notes its time and its peak of resident memory."""
    held = processors(threads)
    # A process starts with the peak of the one that made it: a small one has to.
    result = subprocess.run(
        [sys.executable, "-I", "-S", str(LAUNCHER), *entry.command],
        capture_output=True, text=True, check=False, env=environment(threads, cache),
        preexec_fn=lambda: os.sched_setaffinity(0, held),
    )
    if result.returncode != 0:
        raise WorkerError(f"{' '.join(entry.command)}: {result.stderr.strip()}")
    measured = json.loads(result.stdout.splitlines()[-1])
    entry.seconds.append(measured["seconds"])
    entry.peak_bytes.append(measured["peak_bytes"])


def measure(entries: Sequence[ColdStart], rounds: int, threads: int, cache: Path) -> None:
    """Runs all commands in turn: once to bring the files into the page cache, then `rounds` times.

    A command that fails has its error noted, and is not run again.
    """
    for number in range(rounds + 1):
        for entry in entries:
            if entry.error is not None:
                continue
            try:
                launch(entry, threads, cache)
            except WorkerError as error:
                entry.error = str(error)
            if number == 0:
                entry.seconds.clear()
                entry.peak_bytes.clear()
