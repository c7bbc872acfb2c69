#!/usr/bin/env python3
"""Regenerates the fixtures that come from PyTorch, set by set."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
ROOT = TOOLS.parent
sys.path.insert(0, str(TOOLS))

# The sets in the order in which they are made, and the module that makes each.
SETS = {
    "rbn-layer": "rbn_layer",
    "ops": "ops",
    "blocks": "blocks",
    "networks": "networks",
    "digits": "digits",
    "efficientnet-lite0": "efficientnet",
    "photos": "photos",
    "malformed-pt2": "malformed",
    "readme": "readme",
}

EXAMPLES = """examples:
  tools/make_fixtures.py rbn-layer ops blocks
  tools/make_fixtures.py efficientnet-lite0 --rbn .build/release/rbn
  tools/make_fixtures.py --all --output /tmp/fixtures
"""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", metavar="SET", help="one of: " + ", ".join(SETS))
    parser.add_argument("--all", action="store_true", help="make every set")
    parser.add_argument("--output", type=Path, default=ROOT / "fixtures", help="default: fixtures/")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="data beside the checkout")
    parser.add_argument("--rbn", type=Path, help="the rbn command, which writes bundles")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch (results are made with 1)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.sets if name not in SETS]
    if unknown:
        parser.error(f"there is no set named {', '.join(unknown)}; the sets are {', '.join(SETS)}")
    if not arguments.sets and not arguments.all:
        parser.error("name a set, or give --all")
    return arguments


def main() -> int:
    arguments = parse()

    import warnings

    import torch

    from fixture_sets.options import Options, say

    warnings.filterwarnings("ignore")
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    options = Options(data=arguments.data, rbn=arguments.rbn)
    for name in SETS if arguments.all else arguments.sets:
        start = time.monotonic()
        say(f"{name}:")
        folder = arguments.output
        if name not in ("readme", "malformed-pt2"):
            folder = folder / name
        elif name == "malformed-pt2":
            folder = folder / "malformed"
        folder.mkdir(parents=True, exist_ok=True)
        importlib.import_module(f"fixture_sets.{SETS[name]}").make(folder, options)
        say(f"{name}: done in {time.monotonic() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
