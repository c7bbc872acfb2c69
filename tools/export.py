#!/usr/bin/env python3
"""Exports a PyTorch module as `.pt2`, golden `.npz` and, with the rbn command, as a `.rbn` bundle.

The module is built by calling package.module:callable, loaded with the checkpoint, put in eval mode and exported. The
golden file holds a random input, the outputs, and every layer's output under its path in the module tree.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import shutil
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

EXAMPLES = """examples:
  A network of torchvision with your weights, and a bundle of it:
    tools/export.py torchvision.models:resnet50 --checkpoint resnet50.pth --input-shape 1,3,224,224 \\
      --dynamic-batch --preprocessing torchvision --labels imagenet_classes.txt --rbn .build/release/rbn \\
      --output models/resnet50

  An RBN network out of a training checkpoint that keeps its weights under `ema.module`:
    tools/export.py rbn_torch.networks:rbn_resnet50 --checkpoint best.pth --state-dict-key ema.module \\
      --input-shape 1,3,224,224 --output models/rbn-resnet50

  A network of timm, half-precision weights in the bundle:
    tools/export.py timm:create_model --kwargs '{"model_name": "mobilenetv2_100"}' --preprocessing timm \\
      --input-shape 1,3,224,224 --bundle-dtype float16 --rbn .build/release/rbn --output models/mobilenetv2

exit status: 0 done, 1 the module, checkpoint or conversion failed, 2 wrong usage
"""


class ExportError(Exception):
    """Something the caller can set right; its text says what."""


def shape(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no list of sizes like 1,3,224,224") from None
    if not sizes or any(size < 1 for size in sizes):
        raise argparse.ArgumentTypeError(f"{text} has a size below 1")
    return sizes


def keywords(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError('not a JSON object like {"num_classes": 10}')
    return value


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("module", metavar="package.module:callable", help="a function or class that makes the module")
    parser.add_argument("--kwargs", type=keywords, default={}, metavar="JSON", help="keyword arguments of the callable")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights written by torch.save")
    parser.add_argument("--state-dict-key", metavar="a.b", help="where in the checkpoint the state dict is")
    parser.add_argument(
        "--input-shape", type=shape, action="append", required=True, metavar="1,3,224,224", help="again for each input"
    )
    parser.add_argument("--dynamic-batch", action="store_true", help="leave the first size of every input free")
    parser.add_argument("--dynamic-size", action="store_true", help="leave height and width free")
    parser.add_argument("--decompose", action="store_true", help="decompose to core ATen operators")
    parser.add_argument("--seed", type=int, default=0, help="of random weights and of the golden input (default 0)")
    parser.add_argument("--preprocessing", metavar="JSON|FILE|torchvision|timm", help="how images become inputs")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="class names, one a line")
    parser.add_argument("--bundle-dtype", choices=("float32", "float16", "bfloat16"), default="float32",
                        help="of the bundle's weights; the golden values are of the rounded weights")
    parser.add_argument("--rbn", type=Path, metavar="PATH", help="the rbn command; without it no bundle is written")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR/NAME", help="where to write NAME.pt2, …")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def build(arguments: argparse.Namespace) -> Any:
    """The module in eval mode with its weights."""
    import torch

    from rbn_torch.checkpoints import load_into, load_state_dict, round_weights
    from rbn_torch.vision import import_torchvision

    name, separator, attribute = arguments.module.partition(":")
    if not separator or not name or not attribute:
        raise ExportError(f"{arguments.module}: not of the form package.module:callable")
    with suppress(ImportError):
        import_torchvision()
    sys.path.insert(0, str(Path.cwd()))
    try:
        target = importlib.import_module(name)
        for part in attribute.split("."):
            target = getattr(target, part)
    except ImportError as error:
        raise ExportError(f"{name} can't be imported: {error}") from error
    except AttributeError as error:
        raise ExportError(f"{arguments.module}: {error}") from error
    torch.manual_seed(arguments.seed)
    try:
        module = target(**arguments.kwargs)
    except Exception as error:
        raise ExportError(f"{arguments.module} can't be called: {type(error).__name__}: {error}") from error
    if not isinstance(module, torch.nn.Module):
        raise ExportError(f"{arguments.module} made a {type(module).__name__}, not a torch.nn.Module")
    if arguments.checkpoint is not None:
        say(f"loading {arguments.checkpoint}")
        load_into(module, load_state_dict(arguments.checkpoint, arguments.state_dict_key))
    else:
        say(f"no checkpoint: weights are those that the callable gives (seed {arguments.seed})")
    if arguments.bundle_dtype != "float32":
        round_weights(module, getattr(torch, arguments.bundle_dtype))
    return module.eval()


def provenance(arguments: argparse.Namespace) -> dict[str, str]:
    """Where the network came from, without anything about this machine."""
    import torch

    facts = {"module": arguments.module, "torch": torch.__version__}
    if arguments.kwargs:
        facts["arguments"] = json.dumps(arguments.kwargs, sort_keys=True)
    if arguments.checkpoint is not None:
        digest = hashlib.sha256(arguments.checkpoint.read_bytes()).hexdigest()
        facts |= {"checkpoint": arguments.checkpoint.name, "checkpoint_sha256": digest}
    else:
        facts["seed"] = str(arguments.seed)
    return facts


def write_sidecar(arguments: argparse.Namespace, module: Any, path: Path) -> tuple[dict[str, Any] | None, Path | None]:
    """Writes the JSON and a copy of the labels beside the program; returns preprocessing and labels."""
    from rbn_torch import preprocessing

    described = preprocessing.read(arguments.preprocessing, module) if arguments.preprocessing else None
    sidecar: dict[str, Any] = {"provenance": provenance(arguments)}
    labels = None
    if described is not None:
        sidecar["preprocessing"] = described
    if arguments.labels is not None:
        labels = path.with_name(path.stem + "-labels.txt")
        shutil.copyfile(arguments.labels, labels)
        sidecar["labels"] = labels.name
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)
    return described, labels


def export(arguments: argparse.Namespace) -> list[Path]:
    """Does the work; returns the files written."""
    import torch

    from rbn_torch import command, exporting, golden

    if arguments.labels is not None and not arguments.labels.is_file():
        raise ExportError(f"{arguments.labels}: there is no such file")
    module = build(arguments)
    generator = torch.Generator().manual_seed(arguments.seed)
    inputs = [torch.randn(sizes, generator=generator) for sizes in arguments.input_shape]
    base = arguments.output
    base.parent.mkdir(parents=True, exist_ok=True)
    paths = {ending: base.with_name(f"{base.name}.{ending}") for ending in ("pt2", "npz", "json", "rbn")}

    say("exporting")
    options = (arguments.dynamic_batch, arguments.dynamic_size, arguments.decompose)
    try:
        program = exporting.export_program(module, inputs, *options)
    except Exception as error:
        raise ExportError(f"torch.export refuses the module: {type(error).__name__}: {error}") from error
    exporting.save_program(program, paths["pt2"])
    say("recording every layer's output")
    entries = golden.record(module, inputs, exporting.input_names(program), exporting.output_names(program))
    golden.write_npz(paths["npz"], entries)
    described, labels = write_sidecar(arguments, module, paths["json"])
    written = [paths["pt2"], paths["npz"], paths["json"]] + ([labels] if labels else [])
    if arguments.rbn is not None:
        say("converting to a bundle")
        with tempfile.TemporaryDirectory() as folder:
            description = None
            if described is not None:
                description = Path(folder) / "preprocessing.json"
                description.write_text(json.dumps(described), encoding="utf-8")
            command.convert(arguments.rbn, paths["pt2"], paths["rbn"], paths["npz"], labels, description,
                            arguments.bundle_dtype, provenance(arguments))
        written.append(paths["rbn"])
    parameters = sum(value.numel() for value in module.parameters())
    layers = sum(name.startswith("layers/") for name in entries)
    say(f"{arguments.module}: {parameters:,} parameters, {layers} layer outputs recorded")
    return written


def main() -> int:
    arguments = parse()
    warnings.filterwarnings("ignore")
    try:
        import torch  # noqa: F401

        from rbn_torch.checkpoints import CheckpointError
        from rbn_torch.command import CommandError
        from rbn_torch.preprocessing import PreprocessingError
    except ImportError as error:
        say(f"export.py: error: {error}; install torch, numpy and pillow")
        return 1
    try:
        written = export(arguments)
    except (ExportError, CheckpointError, CommandError, PreprocessingError, OSError) as error:
        say(f"export.py: error: {error}")
        return 1
    for path in written:
        say(f"  {path}  {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
