"""Exported programs in the layouts that earlier versions of PyTorch wrote, made with the present one.

Up to torch 2.7 an archive is a plain zip without a root folder, with the state dict in one `torch.save`; for some time after, the
present tree with one `torch.save` for all weights. The graph's JSON differs in keys that came later.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import torch
from torch._export.serde.serialize import serialize
from torch.export import ExportedProgram

LAYOUTS = ("torch-2.5", "torch-2.7", "torch-2.8")


def _without_later_keys(model: dict[str, Any]) -> None:
    """Takes out of a program of schema 8 what schema 7 has not, and puts in what it had."""
    model["schema_version"] = {"major": 7, "minor": 3}
    model["torch_version"] = "2.5.1"
    model["dialect"] = "TRAINING"
    for key in ("guards_code", "verifiers"):
        model.pop(key, None)
    for constraint in model["range_constraints"].values():
        # Python's infinity, which JSON has not: json.dumps writes `Infinity`.
        constraint["max_val"] = float("inf") if constraint["max_val"] is None else constraint["max_val"]
        constraint["min_val"] = 0 if constraint["min_val"] is None else constraint["min_val"]
    module = model["graph_module"]
    for key in ("metadata", "treespec_namedtuple_fields"):
        module.pop(key, None)
    for node in module["graph"]["nodes"]:
        for key in ("name", "is_hop_single_tensor_return"):
            node.pop(key, None)
        for argument in node["inputs"]:
            argument.pop("kind", None)


def _stored(entries: dict[str, bytes]) -> bytes:
    """A zip as Python's `zipfile` writes it, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def earlier_archive(program: ExportedProgram, layout: str) -> bytes:
    """The archive of a program as the torch of that layout saved it."""
    artifact = serialize(program)
    if layout == "torch-2.8":
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
        with zipfile.ZipFile(buffer) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        entries = {name: content for name, content in entries.items()
                   if "/data/weights/" not in name and "/data/constants/" not in name}
        root = next(iter(entries)).split("/")[0]
        entries[f"{root}/data/weights/model.pt"] = artifact.state_dict
        entries[f"{root}/data/constants/model.pt"] = artifact.constants
        return _stored(entries)
    model = json.loads(artifact.exported_program)
    model["torch_version"] = "2.7.1"
    model["schema_version"] = {"major": 8, "minor": 8}
    if layout == "torch-2.5":
        _without_later_keys(model)
    version = model["schema_version"]
    return _stored(
        {
            "serialized_exported_program.json": json.dumps(model).encode(),
            "serialized_state_dict.pt": artifact.state_dict,
            "serialized_constants.pt": artifact.constants,
            "serialized_example_inputs.pt": artifact.example_inputs,
            "version": f"{version['major']}.{version['minor']}".encode(),
        }
    )
