"""Calls the `rbn` command."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Sequence


class CommandError(Exception):
    """The command is not there, or ended with a failure."""


def run(rbn: Path, arguments: Sequence[str | Path], timeout: float = 600) -> str:
    """What `rbn <arguments>` writes to its standard output; a failure carries what it wrote to standard error."""
    words = [str(rbn), *map(str, arguments)]
    try:
        result = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False)
    except OSError as error:
        raise CommandError(f"{rbn} can't be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{' '.join(words)}: no end after {timeout:.0f} s") from error
    if result.returncode != 0:
        reason = result.stderr.strip() or result.stdout.strip() or "no message"
        raise CommandError(f"{' '.join(words)}: exit status {result.returncode}: {reason}")
    return result.stdout


def convert(
    rbn: Path,
    program: Path,
    output: Path,
    golden: Path | None = None,
    labels: Path | None = None,
    preprocessing: Path | None = None,
    dtype: str = "float32",
    provenance: dict[str, str] | None = None,
) -> str:
    """Runs `rbn convert`, which writes a bundle."""
    arguments: list[str | Path] = ["convert", program, "--output", output]
    for option, path in (("--golden", golden), ("--labels", labels), ("--preprocessing", preprocessing)):
        if path is not None:
            arguments += [option, path]
    if dtype != "float32":
        arguments += ["--store-weights-as", dtype]
    for key, value in (provenance or {}).items():
        arguments += ["--provenance", f"{key}={value}"]
    return run(rbn, arguments)
