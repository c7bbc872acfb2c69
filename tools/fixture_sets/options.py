"""What the fixture sets are told, and how they write."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Options:
    """Where data beside the checkout lies, and the command that writes bundles, if there is one."""

    data: Path
    rbn: Path | None = None


def say(text: str) -> None:
    """Reports progress."""
    print(text, file=sys.stderr, flush=True)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON as people read it, by way of a temporary name."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)
