"""Builds a network of torchvision, with BatchNorm or RBN, from a state dict whose file has its name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Callable

import numpy
import torch
from protocol import Run


def loader(tools: Path, prepare: Callable[[torch.nn.Module], torch.nn.Module]) -> Callable[[str, int], Run]:
    """What a worker calls to load `NETWORK-VARIANT-….pth`."""

    def load(model: str, threads: int) -> Run:
        sys.path.insert(0, str(tools))
        from rbn_torch import networks

        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        network, variant = Path(model).name.split("-")[:2]
        build = networks.vision_rbn if variant == "rbn" else networks.vision
        module = build(network)
        module.load_state_dict(torch.load(model, weights_only=True))
        module = prepare(module)

        def run(x: numpy.ndarray) -> numpy.ndarray:
            with torch.inference_mode():
                return module(torch.from_numpy(x)).numpy()

        return run

    return load
