"""`networks`: inputs and logits of networks whose weights lie beside the checkout."""

from __future__ import annotations

from pathlib import Path

import torch

from fixture_sets.options import Options, say, write_json
from rbn_torch.checkpoints import load_into, load_state_dict
from rbn_torch.golden import record, write_npz
from rbn_torch.networks import cifar_resnet

CHECKPOINT = "weights/akamaster-resnet20-12fca82f.th"


def make(folder: Path, options: Options) -> None:
    """Writes `akamaster-resnet20.npz`, and another for images that are not square."""
    network = cifar_resnet(20).eval()
    load_into(network, load_state_dict(options.data / CHECKPOINT))
    listing = []
    for name, shape in {"": (4, 3, 32, 32), "-wide": (1, 3, 40, 52)}.items():
        x = torch.randn(shape, generator=torch.Generator().manual_seed(5000))
        file = f"akamaster-resnet20{name}.npz"
        write_npz(folder / file, record(network, [x], ["x"], ["logits"], layers=False))
        listing.append({"checkpoint": CHECKPOINT, "architecture": "resnet20", "golden": file, "shape": list(shape)})
        say(f"  {file}")
    write_json(folder / "networks.json", {"schema": 1, "networks": listing})
