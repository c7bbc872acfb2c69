"""`ops`: golden values of single ATen operators, with every argument of their schema spelled out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from fixture_sets.op_cases import Case, activations, binaries, convolutions, generator, normalisations
from fixture_sets.op_cases_elementwise import binaries_further, functions_further
from fixture_sets.op_cases_indexing import rearrangements, reductions_further
from fixture_sets.op_cases_layers import convolutions_further, norms_further, poolings_further, products, resamplings
from fixture_sets.op_cases_shapes import poolings, reductions, reshapes
from fixture_sets.options import Options, say, write_json
from rbn_torch.golden import array, write_npz


def cases() -> list[Case]:
    """Every case, the same each time."""
    generator.manual_seed(4000)
    listing = convolutions() + normalisations() + activations() + binaries()
    return listing + reductions() + poolings() + reshapes()


def further_cases() -> list[Case]:
    """The operators beside those of convolutional networks for classification, the same cases each time."""
    generator.manual_seed(4001)
    listing = convolutions_further() + norms_further() + products() + resamplings() + poolings_further()
    return listing + functions_further() + binaries_further() + reductions_further() + rearrangements()


def overload(target: str) -> torch._ops.OpOverload:
    """The operator of a name like `aten.conv2d.default`."""
    namespace, name, variant = target.split(".")
    return getattr(getattr(getattr(torch.ops, namespace), name), variant)


def spelled(value: Any) -> Any:
    """An argument as JSON has it; non-finite numbers as in an exported program."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, (list, tuple)):
        return [spelled(element) for element in value]
    if isinstance(value, (torch.dtype, torch.memory_format, torch.device, torch.layout)):
        return str(value).removeprefix("torch.")
    return value


def bind(case: Case) -> tuple[dict[str, Any], list[Tensor | None], dict[str, Any]]:
    """All arguments by schema name; the tensors among them, in order; the others as JSON."""
    schema = overload(case.target)._schema
    bound: dict[str, Any] = {}
    tensors: list[Tensor | None] = []
    rest: dict[str, Any] = {}
    unknown = set(case.arguments) - {argument.name for argument in schema.arguments}
    if unknown:
        raise ValueError(f"{case.name}: {case.target} has no argument {', '.join(sorted(unknown))}")
    for argument in schema.arguments:
        value = case.arguments[argument.name] if argument.name in case.arguments else argument.default_value
        bound[argument.name] = value
        kind = str(argument.type)
        if isinstance(value, Tensor):
            tensors.append(value)
        elif isinstance(value, (list, tuple)) and any(isinstance(element, Tensor) for element in value):
            tensors.extend(value)
        elif "Tensor" in kind and value is None:
            tensors.append(None)
        else:
            rest[argument.name] = spelled(value)
    return bound, tensors, rest


def widened(value: Any) -> Any:
    """The argument with its float32 tensors as float64."""
    if isinstance(value, Tensor):
        return value.double() if value.is_floating_point() else value.clone()
    if isinstance(value, (list, tuple)) and any(isinstance(element, Tensor) for element in value):
        return [widened(element) for element in value]
    return value


def results(target: str, bound: dict[str, Any]) -> list[Tensor]:
    with torch.no_grad():
        result = overload(target)(**bound)
    return [result] if isinstance(result, Tensor) else list(result)


def make(folder: Path, options: Options) -> None:
    """Writes `ops.npz` and `ops.json`, and `further.npz` and `further.json`."""
    write(folder, "ops", cases())
    write(folder, "further", further_cases())


def write(folder: Path, stem: str, cases: list[Case]) -> None:
    """Writes `<stem>.npz` (`<case>/input/<i>`, `<case>/output/<i>`, `<case>/truth/<i>`) and `<stem>.json`."""
    entries: dict[str, numpy.ndarray] = {}
    listing = []
    for case in cases:
        bound, tensors, rest = bind(case)
        names: list[str | None] = []
        for index, tensor in enumerate(tensors):
            if tensor is None:
                names.append(None)
                continue
            name = f"{case.name}/input/{index}"
            entries[name] = array(tensor)
            names.append(name)
        exact = results(case.target, {key: widened(value) for key, value in bound.items()}) if case.truth else []
        copies = {key: value.clone() if isinstance(value, Tensor) else value for key, value in bound.items()}
        outputs = []
        for index, output in enumerate(results(case.target, copies)[: case.outputs]):
            name = f"{case.name}/output/{index}"
            entries[name] = array(output)
            outputs.append(name)
            if case.truth:
                entries[f"{case.name}/truth/{index}"] = array(exact[index])
        record = {"case": case.name, "target": case.target, "arguments": rest, "inputs": names}
        listing.append(record | {"outputs": outputs, "truth64": case.truth})
    if len({record["case"] for record in listing}) != len(listing):
        raise ValueError("two cases have one name")
    write_npz(folder / f"{stem}.npz", entries)
    write_json(folder / f"{stem}.json", {"schema": 1, "cases": listing})
    say(f"  {stem}: {len(listing)} cases of {len({record['target'] for record in listing})} operators")
