"""Records what a PyTorch module computes, layer by layer, and writes it as `.npz`."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy
import torch
from torch import Tensor, nn


def array(tensor: Tensor) -> numpy.ndarray:
    """A contiguous copy that later in-place operations don't reach; bfloat16 widened, since numpy has no such type."""
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return numpy.array(tensor.numpy(), order="C", copy=True)


def record(
    module: nn.Module,
    inputs: Sequence[Tensor],
    input_names: Sequence[str],
    output_names: Sequence[str],
    layers: bool = True,
) -> dict[str, numpy.ndarray]:
    """`inputs/<name>`, `outputs/<name>` and `layers/<module path>` of one eager evaluation.

    A layer's entry is its output as it leaves the module, before in-place operations of others. The second and later
    calls of one module are `layers/<path>#1`, `#2`, …
    """
    entries = {f"inputs/{name}": array(value) for name, value in zip(input_names, inputs, strict=True)}
    calls: dict[str, int] = {}
    hooks = []

    def watch(path: str, submodule: nn.Module) -> None:
        def hook(_module: nn.Module, _arguments: object, output: object) -> None:
            if not isinstance(output, Tensor):
                return
            call = calls.get(path, 0)
            calls[path] = call + 1
            entries[f"layers/{path}" + (f"#{call}" if call else "")] = array(output)

        hooks.append(submodule.register_forward_hook(hook))

    if layers:
        for path, submodule in module.named_modules():
            if path:
                watch(path, submodule)
    try:
        with torch.no_grad():
            result = module(*[value.clone() for value in inputs])
    finally:
        for hook in hooks:
            hook.remove()
    outputs = flatten_outputs(result)
    for name, value in zip(output_names, outputs, strict=True):
        entries[f"outputs/{name}"] = array(value)
    return entries


def flatten_outputs(result: object) -> list[Tensor]:
    """The tensors of a module's result, in the order in which an exported program lists them."""
    leaves = torch.utils._pytree.tree_leaves(result)
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


def write_npz(path: Path, entries: dict[str, numpy.ndarray]) -> None:
    """Writes an `.npz` whose bytes depend on the entries alone, by way of a temporary name."""
    temporary = path.with_name(path.name + ".part")
    with open(temporary, "wb") as file:
        numpy.savez(file, allow_pickle=False, **entries)
    temporary.replace(path)
