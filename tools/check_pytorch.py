#!/usr/bin/env python3
"""Compares the rbn command's logits with PyTorch's, over networks, file kinds, batch sizes and image sizes.

Networks are built with seeded random weights whose statistics fit them (the CIFAR ResNet-20 is a trained one, from the
data beside the checkout), written as .pth and .pt2 into a temporary folder, and run by `rbn run`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Callable

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy
import torch
from torch import nn

from rbn_torch import networks
from rbn_torch.checkpoints import load_into, load_state_dict
from rbn_torch.command import CommandError, run
from rbn_torch.exporting import export_program, save_program

EXAMPLES = """examples:
  tools/check_pytorch.py --rbn .build/release/rbn
  tools/check_pytorch.py --rbn .build/release/rbn --networks rbn-resnet50 resnet20 --json results.json

exit status: 0 every comparison passes, 1 one fails, 2 wrong usage
"""

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
IMAGENET = ((224, 224), (160, 192))
CIFAR = ((32, 32), (40, 52))
BATCHES = (1, 4)
AKAMASTER = "weights/akamaster-resnet20-12fca82f.th"


@dataclass(frozen=True)
class Network:
    """One network: how it is made, whether its bare checkpoint is recognised, and the file it comes from, if any."""

    build: Callable[[Path], nn.Module]
    checkpoint: bool
    sizes: tuple[tuple[int, int], ...] = IMAGENET
    file: str | None = None


@dataclass
class Result:
    """One comparison."""

    network: str
    file: str
    batch: int
    size: str
    error: float | None
    passed: bool
    seconds: float
    message: str = ""


def random(build: Callable[[], nn.Module], seed: int) -> Callable[[Path], nn.Module]:
    return lambda _data: networks.seeded(build, seed, (4, 3, 128, 128))


def trained_resnet20(data: Path) -> nn.Module:
    network = networks.cifar_resnet(20)
    load_into(network, load_state_dict(data / AKAMASTER))
    return network.eval()


NETWORKS = {
    "rbn-resnet18": Network(random(networks.rbn_resnet18, 18), True),
    "rbn-resnet50": Network(random(networks.rbn_resnet50, 50), True),
    "resnet20": Network(trained_resnet20, True, CIFAR, AKAMASTER),
    "rbn-resnet20": Network(random(lambda: networks.rbn_cifar_resnet(20), 20), True, CIFAR),
    "resnext50_32x4d": Network(random(lambda: networks.vision("resnext50_32x4d"), 51), True),
    "wide_resnet50_2": Network(random(lambda: networks.vision("wide_resnet50_2"), 52), True),
    "mobilenet_v2": Network(random(lambda: networks.vision("mobilenet_v2"), 2), False),
    "rbn-mobilenet_v2": Network(random(networks.rbn_mobilenet_v2, 3), False),
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rbn", type=Path, required=True, help="the rbn command")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), metavar="NAME",
                        help="of: " + ", ".join(NETWORKS))
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of the largest logit (default 1e-4)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with weights/")
    parser.add_argument("--threads", type=int, default=2, help="threads of PyTorch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON too")
    return parser.parse_args()


def export_all(module: nn.Module, network: Network, folder: Path) -> dict[tuple[int, tuple[int, int]], Path]:
    """The .pt2 file for each batch and size: one for all where sizes can be left free, else more."""
    files: dict[tuple[int, tuple[int, int]], Path] = {}
    example = torch.randn(2, 3, *network.sizes[0])
    try:
        path = folder / "dynamic.pt2"
        save_program(export_program(module, [example], True, True), path)
        return {(batch, size): path for batch in BATCHES for size in network.sizes}
    except Exception as error:
        print(f"  sizes can't be left free ({type(error).__name__}): one file a shape", file=sys.stderr)
    for size in network.sizes:
        for batch in BATCHES:
            path = folder / f"{batch}x{size[0]}x{size[1]}.pt2"
            save_program(export_program(module, [torch.randn(batch, 3, *size)]), path)
            files[batch, size] = path
    return files


def logits_of(rbn: Path, model: Path, x: numpy.ndarray, folder: Path) -> numpy.ndarray:
    """What the rbn command computes."""
    source, target = folder / "x.npy", folder / "out.npz"
    numpy.save(source, x)
    run(rbn, ["run", model, "--input", source, "--output", target])
    with numpy.load(target, allow_pickle=False) as archive:
        names = [name for name in archive.files if not name.startswith("layers/")]
        if len(names) != 1:
            raise CommandError(f"{model.name}: one output was expected, not {names}")
        return archive[names[0]]


def compare(name: str, network: Network, arguments: argparse.Namespace, folder: Path) -> list[Result]:
    module = network.build(arguments.data)
    programs = export_all(module, network, folder)
    checkpoint = folder / f"{name}.pth" if network.file is None else arguments.data / network.file
    if network.file is None and network.checkpoint:
        torch.save(module.state_dict(), checkpoint)
    results = []
    for size in network.sizes:
        for batch in BATCHES:
            generator = torch.Generator().manual_seed(batch * 1000 + size[1])
            x = torch.randn(batch, 3, *size, generator=generator)
            with torch.no_grad():
                expected = module(x.clone()).numpy()
            models = [programs[batch, size]] + ([checkpoint] if network.checkpoint else [])
            for model in models:
                result = Result(name, model.suffix[1:], batch, f"{size[0]}x{size[1]}", None, False, 0)
                start = time.monotonic()
                try:
                    actual = logits_of(arguments.rbn, model, x.numpy(), folder)
                    result.seconds = round(time.monotonic() - start, 3)
                    if actual.shape != expected.shape:
                        raise CommandError(f"shape {actual.shape}, not {expected.shape}")
                    result.error = float(numpy.abs(actual - expected).max() / numpy.abs(expected).max())
                    result.passed = result.error <= arguments.tolerance
                except CommandError as error:
                    result.message = str(error)
                results.append(result)
                show(result)
    return results


def show(result: Result) -> None:
    error = "-" if result.error is None else f"{result.error:.2e}"
    verdict = "pass" if result.passed else "FAIL"
    row = f"{result.network:<18} {result.file:<4} {result.batch:>5} {result.size:>9} {error:>9} {result.seconds:>7.2f}"
    message = " ".join(result.message.split())[-300:]
    print(f"{row}  {verdict}  {message}".rstrip(), flush=True)


def main() -> int:
    arguments = parse()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(arguments.threads)
    print(f"{'network':<18} {'file':<4} {'batch':>5} {'size':>9} {'error':>9} {'seconds':>7}")
    results: list[Result] = []
    for name in arguments.networks:
        with tempfile.TemporaryDirectory() as folder:
            try:
                results += compare(name, NETWORKS[name], arguments, Path(folder))
            except (OSError, RuntimeError) as error:
                result = Result(name, "-", 0, "-", None, False, 0, str(error))
                results.append(result)
                show(result)
    failed = sum(not result.passed for result in results)
    worst = max((result.error for result in results if result.error is not None), default=float("nan"))
    print(f"{len(results)} comparisons, {failed} failed, largest error {worst:.2e} (limit {arguments.tolerance:g})")
    if arguments.json is not None:
        summary = {"schema": 1, "tolerance": arguments.tolerance, "results": [asdict(result) for result in results]}
        arguments.json.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
