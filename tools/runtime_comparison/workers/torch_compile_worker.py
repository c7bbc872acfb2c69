"""PyTorch, compiled by Inductor with frozen weights, which folds BatchNorm into the convolutions."""

from pathlib import Path

import torch
import torch._inductor.config
from protocol import serve
from torch_loading import loader

torch._inductor.config.freezing = True
serve(loader(Path(__file__).resolve().parents[2], lambda module: torch.compile(module.eval())))
