#!/usr/bin/env python3
"""Compares `rbn predict` with PyTorch and Pillow on photographs named `<class index>_<name>.jpg`.

The network is EfficientNet-Lite0 with its weights rounded to float16, as the bundle in fixtures/ stores them. On every
photograph the most likely class must be PyTorch's (either of its first two where PyTorch's own probabilities or logits
of them differ by less than 1e-4), and every logit must be within the tolerance, in units of PyTorch's largest logit.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy
import torch
from PIL import Image

from rbn_torch.command import CommandError, run
from rbn_torch.efficientnet import PREPROCESSING, efficientnet_lite0
from rbn_torch.preprocessing import apply

ROOT = Path(__file__).resolve().parents[1]
CLOSE = 1e-4

EXAMPLES = """examples:
  tools/check_imagenet.py --rbn .build/release/rbn
  tools/check_imagenet.py --rbn .build/release/rbn --limit 50 --json results.json

exit status: 0 every photograph agrees, 1 one does not or a command fails, 2 wrong usage
"""


@dataclass
class Photo:
    """What PyTorch and the command made of one photograph."""

    file: str
    truth: int
    expected: numpy.ndarray
    actual: numpy.ndarray | None = None

    @property
    def error(self) -> float:
        if self.actual is None:
            return float("inf")
        return float(numpy.abs(self.actual - self.expected).max() / numpy.abs(self.expected).max())

    @property
    def agrees(self) -> bool:
        """Whether the first class is PyTorch's, or the second where PyTorch hardly tells them apart."""
        if self.actual is None:
            return False
        first, second = numpy.argsort(-self.expected, kind="stable")[:2]
        chosen = int(self.actual.argmax())
        exponentials = numpy.exp(self.expected.astype(numpy.float64) - float(self.expected.max()))
        probabilities = exponentials / exponentials.sum()
        margins = (probabilities[first] - probabilities[second], self.expected[first] - self.expected[second])
        return chosen == first or (chosen == second and min(margins) < CLOSE)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rbn", type=Path, required=True, help="the rbn command")
    bundle = ROOT / "fixtures" / "efficientnet-lite0" / "efficientnet-lite0.rbn"
    parser.add_argument("--model", type=Path, default=bundle, help="default: the bundle in fixtures/")
    parser.add_argument("--photos", type=Path, default=ROOT.parent / "shared" / "data" / "imagenet-500")
    parser.add_argument("--limit", type=int, help="compare the first so many photographs only")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="of the largest logit (default 1e-3)")
    parser.add_argument("--batch", type=int, default=20, help="batch size of PyTorch")
    parser.add_argument("--threads", type=int, default=2, help="threads of PyTorch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON too")
    return parser.parse_args()


def evaluate(paths: list[Path], batch: int) -> list[Photo]:
    """PyTorch's logits."""
    network = efficientnet_lite0()
    photos = []
    for start in range(0, len(paths), batch):
        group = paths[start : start + batch]
        x = torch.from_numpy(numpy.stack([apply(Image.open(path), PREPROCESSING) for path in group]))
        with torch.no_grad():
            logits = network(x).numpy()
        photos += [Photo(p.name, int(p.name.split("_")[0]), row) for p, row in zip(group, logits, strict=True)]
        if sys.stderr.isatty():
            print(f"\rPyTorch: {len(photos)} of {len(paths)}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return photos


def logits_of(record: dict[str, Any], classes: int) -> numpy.ndarray:
    """The logits of one line of `rbn predict --format jsonl --logits`, by class index."""
    listed = next((record[key] for key in ("predictions", "classifications", "top", "results") if key in record), None)
    if not isinstance(listed, list):
        raise CommandError(f"a line of rbn predict has no list of predictions: {sorted(record)}")
    logits = numpy.full(classes, numpy.nan, dtype=numpy.float32)
    for entry in listed:
        logits[int(entry["index"])] = float(entry["logit"])
    if numpy.isnan(logits).any():
        raise CommandError(f"a line of rbn predict has {len(listed)} of {classes} classes")
    return logits


def predict(rbn: Path, model: Path, paths: list[Path], photos: list[Photo]) -> None:
    """Fills in what the command computes."""
    by_name = {photo.file: photo for photo in photos}
    options = ["--format", "jsonl", "--logits", "--top-k", str(len(photos[0].expected))]
    output = run(rbn, ["predict", model, *paths, *options], timeout=3600)
    for line in output.splitlines():
        record = json.loads(line)
        name = next((record[key] for key in ("file", "path", "image", "input") if key in record), None)
        photo = by_name.get(Path(str(name)).name)
        if photo is not None and "error" not in record:
            photo.actual = logits_of(record, len(photo.expected))


def report(photos: list[Photo], arguments: argparse.Namespace) -> bool:
    """Prints the comparison; whether all is well."""
    wrong = [photo for photo in photos if not photo.agrees or photo.error > arguments.tolerance]
    for photo in wrong[:20]:
        chosen = "nothing" if photo.actual is None else int(photo.actual.argmax())
        print(f"FAIL {photo.file}: PyTorch {int(photo.expected.argmax())}, rbn {chosen}, error {photo.error:.2e}")
    there = [photo for photo in photos if photo.actual is not None]
    theirs = sum(int(photo.expected.argmax()) == photo.truth for photo in photos)
    ours = sum(int(photo.actual.argmax()) == photo.truth for photo in there if photo.actual is not None)
    errors = sorted(photo.error for photo in photos)
    print(f"photographs          {len(photos)}")
    print(f"top-1 of PyTorch     {theirs / len(photos):.2%}")
    print(f"top-1 of rbn         {ours / len(photos):.2%}")
    print(f"same first class     {sum(photo.agrees for photo in photos)}")
    print(f"largest error        {errors[-1]:.2e}, median {errors[len(errors) // 2]:.2e}, limit {arguments.tolerance:g}")
    if arguments.json is not None:
        summary = {
            "schema": 1,
            "photographs": len(photos),
            "top1_pytorch": theirs / len(photos),
            "top1_rbn": ours / len(photos),
            "largest_error": errors[-1] if numpy.isfinite(errors[-1]) else None,
            "failed": [photo.file for photo in wrong],
        }
        arguments.json.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return not wrong


def main() -> int:
    arguments = parse()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(arguments.threads)
    paths = sorted(arguments.photos.glob("*.jpg"))[: arguments.limit]
    if not paths:
        print(f"check_imagenet.py: error: {arguments.photos}: no photographs", file=sys.stderr)
        return 1
    try:
        photos = evaluate(paths, arguments.batch)
        predict(arguments.rbn, arguments.model, paths, photos)
    except (CommandError, OSError, ValueError, KeyError) as error:
        print(f"check_imagenet.py: error: {error}", file=sys.stderr)
        return 1
    return 0 if report(photos, arguments) else 1


if __name__ == "__main__":
    sys.exit(main())
