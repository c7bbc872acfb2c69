"""Exports PyTorch modules as `.pt2` archives."""

from __future__ import annotations

import io
from collections import OrderedDict
from pathlib import Path
from typing import Sequence

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.utils._pytree import TreeSpec


def export_program(
    module: nn.Module,
    inputs: Sequence[Tensor],
    dynamic_batch: bool = False,
    dynamic_size: bool = False,
    decompose: bool = False,
) -> ExportedProgram:
    """The exported program of a module, without the paths of the source files it came from.

    With `dynamic_batch` the first dimension of every input is free, with `dynamic_size` the third and fourth.
    """
    shapes = []
    examples = []
    for value in inputs:
        free: dict[int, object] = {}
        if dynamic_batch and value.dim() > 0:
            free[0] = Dim.DYNAMIC
            if value.shape[0] < 2:
                # Export takes a size of 1 for a constant, so it must see another one.
                value = torch.cat([value, value])
        if dynamic_size:
            free.update({axis: Dim.DYNAMIC for axis in (2, 3) if axis < value.dim()})
        shapes.append(free or None)
        examples.append(value.clone())
    dynamic = tuple(shapes) if any(shapes) else None
    program = torch.export.export(module, tuple(examples), dynamic_shapes=dynamic)
    if decompose:
        program = program.run_decompositions()
    for graph_module in program.graph_module.modules():
        if isinstance(graph_module, torch.fx.GraphModule):
            for node in graph_module.graph.nodes:
                # Paths of source files, and addresses that differ from run to run.
                for key in ("stack_trace", "from_node"):
                    node.meta.pop(key, None)
    return program


def save_program(program: ExportedProgram, path: Path) -> None:
    """Writes the archive by way of a temporary name."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(buffer.getvalue())
    temporary.replace(path)


def input_names(program: ExportedProgram) -> list[str]:
    """The names of the inputs that a user gives, in order."""
    return [str(name) for name in program.graph_signature.user_inputs]


def output_names(program: ExportedProgram) -> list[str]:
    """The names of the results, in order: the keys where the module returns a dict, joined by dots."""
    names = [str(name) for name in program.graph_signature.user_outputs]
    spec = program.call_spec.out_spec
    paths, has_dict = _leaf_paths(spec) if spec is not None else ([], False)
    return paths if has_dict and len(paths) == len(names) else names


def _leaf_paths(spec: TreeSpec, path: str = "") -> tuple[list[str], bool]:
    """The path of every leaf of a result's structure, and whether there is a dict in it."""
    if spec.is_leaf():
        return [path], False
    has_dict = spec.type in (dict, OrderedDict)
    keys = spec.context if has_dict else range(spec.num_children)
    paths: list[str] = []
    for key, child in zip(keys, spec.children()):
        below, found = _leaf_paths(child, f"{path}.{key}" if path else str(key))
        paths += below
        has_dict = has_dict or found
    return paths, has_dict
