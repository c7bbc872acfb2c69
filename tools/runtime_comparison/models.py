"""Writes one seeded network in the formats of all runtimes. Run as a program, so that its memory goes with it.

`models.py FOLDER NETWORK VARIANT BATCH RUNTIME…` prints, as a JSON object, the runtimes that can't have the network,
with the reason.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Callable

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy
import torch
from torch import Tensor, nn

from rbn_torch import networks
from rbn_torch.exporting import export_program, save_program
from runtime_comparison.cases import SIZE, Exported

SEED = 7


def build(network: str, variant: str) -> nn.Module:
    """The network with seeded weights, the same for both variants, and statistics that keep activations in range."""
    make = networks.vision_rbn if variant == "rbn" else networks.vision
    return networks.seeded(lambda: make(network), SEED, (4, 3, SIZE, SIZE))


def write_checkpoint(module: nn.Module, _x: Tensor, path: Path) -> None:
    torch.save(module.state_dict(), path)


def write_program(module: nn.Module, x: Tensor, path: Path) -> None:
    save_program(export_program(module, [x]), path)


def write_onnx(module: nn.Module, x: Tensor, path: Path) -> None:
    torch.onnx.export(module, (x.clone(),), str(path), dynamo=True, external_data=False, verbose=False)


def write_openvino(module: nn.Module, x: Tensor, path: Path) -> None:
    import openvino

    # The one that ONNX Runtime reads, in the folder above the temporary one, where it has been written.
    onnx = path.parents[1] / (path.stem + ".onnx")
    if not onnx.exists():
        onnx = path.with_name("network.onnx")
        write_onnx(module, x, onnx)
    openvino.save_model(openvino.convert_model(str(onnx)), path, compress_to_fp16=False)


def write_ncnn(module: nn.Module, x: Tensor, path: Path) -> None:
    """One image a call: ncnn has no batches."""
    import pnnx

    pnnx.export(module, str(path.with_name("network.pt")), inputs=x[:1].clone(), fp16=False)
    shutil.move(path.with_name("network.ncnn.param"), path)
    shutil.move(path.with_name("network.ncnn.bin"), path.with_suffix(".bin"))


WRITERS: dict[str, Callable[[nn.Module, Tensor, Path], None]] = {
    "swift-rbn": write_program,
    "onnxruntime": write_onnx,
    "openvino": write_openvino,
    "torch.compile": write_checkpoint,
    "torch": write_checkpoint,
    "ncnn": write_ncnn,
}


def write(exported: Exported, runtime: str, module: nn.Module, x: Tensor) -> None:
    """Writes the file of one runtime, unless it is there."""
    target = exported.model(runtime)
    if target.exists():
        return
    # Exporters write companions beside the file, and talk: into a folder of its own, and to standard error.
    with tempfile.TemporaryDirectory(dir=exported.folder) as temporary, contextlib.redirect_stdout(sys.stderr):
        WRITERS[runtime](module, x, Path(temporary) / target.name)
        written = [path for path in Path(temporary).iterdir() if path.name.startswith(exported.stem.name)]
        # The file itself last: where it is, all is.
        for path in sorted(written, key=lambda path: path.name == target.name):
            os.replace(path, target.with_name(path.name))


def main() -> None:
    warnings.filterwarnings("ignore")
    folder, network, variant, batch, *runtimes = sys.argv[1:]
    exported = Exported(Path(folder), network, variant, int(batch))
    failures: dict[str, str] = {}
    if not exported.expected.exists() or any(not exported.model(runtime).exists() for runtime in runtimes):
        module = build(network, variant)
        x = torch.randn(exported.batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(SEED))
        with torch.no_grad():
            if not exported.expected.exists():
                numpy.save(exported.input, x.numpy())
                numpy.save(exported.expected, copy.deepcopy(module).double()(x.double()).numpy())
            for runtime in runtimes:
                try:
                    write(exported, runtime, module, x)
                except Exception as error:  # Whatever an exporter raises is a reason to leave its runtime out.
                    failures[runtime] = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    print(json.dumps(failures))


main()
