#!/usr/bin/env python3
"""Runs the networks of torchvision and timm in PyTorch and with rbn, and prints how far apart they are.

Each network is built with seeded weights and statistics of real passes, with BatchNorm and with Representative BatchNorm
in its place, exported, and run on seeded images. `default` and `decomposed` programs have static shapes; the `dynamic` ones
leave batch, height and width free and are run at two shapes that are not the example's. Errors are told against PyTorch
in float32, which is what must agree, and of both against PyTorch in float64.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy
import torch
from torch import Tensor, nn

from rbn_torch.calibration import images
from rbn_torch.command import CommandError, run
from rbn_torch.exporting import export_program, save_program
from rbn_torch.golden import flatten_outputs
from rbn_torch.zoo import NETWORKS, Network
from rbn_torch.zoo_results import FORMS, HEADER, Result, measure, read, row, summary, write, write_table

NORMS = ("bn", "rbn")
EXAMPLE_BATCH = 2

EXAMPLES = """examples:
  tools/zoo.py --rbn .build/release/rbn
  tools/zoo.py --rbn .build/release/rbn resnet50 hrnet_w18 --forms default dynamic --json zoo.json
  tools/zoo.py --rbn .build/release/rbn --norms rbn --cache build/zoo --time
  tools/zoo.py --rbn .build/release/rbn --small --json zoo.json --resume
  tools/zoo.py --json zoo.json --documentation Sources/RBNRuntime/RBNRuntime.docc/SupportedNetworks.md --show

exit status: 0 every comparison passes, 1 one fails, 2 wrong usage
"""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="default: all; see --list")
    parser.add_argument("--rbn", type=Path, help="the rbn command")
    parser.add_argument("--norms", nargs="+", choices=NORMS, default=list(NORMS), help="default: both")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=["default"], help="default: default")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of the largest output (default 1e-4)")
    parser.add_argument("--time", action="store_true", help="compare times too, PyTorch eager over rbn, one image")
    parser.add_argument("--threads", type=int, default=2, help="threads of both (default 2)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep programs and PyTorch's results there, and use them")
    parser.add_argument("--small", action="store_true", help="on smaller images, where the network takes them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the results there, beside those it has")
    parser.add_argument("--resume", action="store_true", help="leave out what passes in --json's file already")
    parser.add_argument("--documentation", type=Path, metavar="FILE", help="write the table of the DocC article")
    parser.add_argument("--show", action="store_true", help="run nothing: print what --json's file has")
    parser.add_argument("--list", action="store_true", help="print the networks' names")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.networks if name not in NETWORKS]
    if unknown:
        parser.error(f"there is no network {', '.join(unknown)}; --list prints the names")
    if (arguments.resume or arguments.show) and arguments.json is None:
        parser.error("--resume and --show need --json")
    if arguments.rbn is None and not (arguments.list or arguments.show):
        parser.error("--rbn is needed")
    return arguments


def shapes(network: Network, form: str) -> list[tuple[int, int, int]]:
    """The batch, height and width of each comparison."""
    size = network.size
    if not form.startswith("dynamic"):
        return [(EXAMPLE_BATCH, size, size)]
    if network.dynamic_size:
        return [(1, size - 32, size + 32), (3, size + 64, size)]
    return [(1, size, size), (3, size, size)]


class Exporter:
    """Makes what the comparisons need, or finds it in the cache."""

    def __init__(self, network: Network, norm: str, folder: Path) -> None:
        self.network = network
        self.norm = norm
        self.folder = folder
        self._module: nn.Module | None = None
        self.stem = f"{network.name}-{norm}-{network.size}"
        self.facts_path = folder / f"{self.stem}.json"
        self.facts = json.loads(self.facts_path.read_text()) if self.facts_path.exists() else {}

    @property
    def module(self) -> nn.Module:
        if self._module is None:
            self._module, self.facts["rbn_layers"] = self.network.seeded(self.norm == "rbn")
            self.facts["norms"] = self.facts["rbn_layers"] or sum(
                isinstance(layer, nn.BatchNorm2d) for layer in self._module.modules()
            )
            self.save()
        return self._module

    def save(self) -> None:
        self.facts_path.write_text(json.dumps(self.facts, indent=2) + "\n", encoding="utf-8")

    def has_norms(self) -> bool:
        if "norms" not in self.facts:
            _ = self.module
        return self.facts["norms"] > 0

    def program(self, form: str) -> Path:
        """The archive of a form."""
        path = self.folder / f"{self.stem}-{form}.pt2"
        if path.exists() and f"aten-{form}" in self.facts:
            return path
        example = images(EXAMPLE_BATCH, self.network.size, self.network.size, torch.Generator().manual_seed(1))
        dynamic = form.startswith("dynamic")
        program = export_program(
            self.module, [example], dynamic, dynamic and self.network.dynamic_size, form.endswith("decomposed")
        )
        targets = Counter(str(node.target) for node in program.graph.nodes if node.op == "call_function")
        self.facts[f"aten-{form}"] = dict(sorted(targets.items()))
        save_program(program, path)
        self.save()
        return path

    def golden(self, shape: tuple[int, int, int]) -> tuple[Tensor, list[numpy.ndarray], list[numpy.ndarray]]:
        """The images of a shape, PyTorch's outputs for them, and those of its float64."""
        batch, height, width = shape
        x = images(batch, height, width, torch.Generator().manual_seed(batch * 10000 + height))
        path = self.folder / f"{self.stem}-{batch}x{height}x{width}.npz"
        if not path.exists():
            double = copy.deepcopy(self.module).double()
            with torch.no_grad():
                outputs = [value.numpy() for value in flatten_outputs(self.module(x.clone()))]
                truth = [value.numpy() for value in flatten_outputs(double(x.double()))]
            numpy.savez(path, *outputs, **{f"truth_{index}": value for index, value in enumerate(truth)})
        with numpy.load(path, allow_pickle=False) as archive:
            outputs = [archive[name] for name in archive.files if name.startswith("arr_")]
            return x, outputs, [archive[name] for name in archive.files if name.startswith("truth_")]

    def seconds(self, batch: int) -> float:
        """The median time of a batch of images in PyTorch."""
        x = images(batch, self.network.size, self.network.size, torch.Generator().manual_seed(3))
        times = []
        with torch.no_grad():
            for _ in range(7):
                y = x.clone()
                start = time.perf_counter()
                self.module(y)
                times.append(time.perf_counter() - start)
        return sorted(times[2:])[2]


def outputs_of(rbn: Path, program: Path, x: Tensor, threads: int) -> list[numpy.ndarray]:
    """What the rbn command computes, in the order of the program's outputs."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "x.npy", Path(folder) / "out.npz"
        numpy.save(source, x.numpy())
        run(rbn, ["run", program, "--input", source, "--output", target, "--threads", str(threads)])
        with numpy.load(target, allow_pickle=False) as archive:
            return [archive[name] for name in archive.files]


def rbn_seconds(rbn: Path, program: Path, batch: int, threads: int) -> float:
    """The median time of a batch of images."""
    words = ["bench", program, "--batch", str(batch), "--threads", str(threads), "--iterations", "7", "--json"]
    return json.loads(run(rbn, words))["bench"]["latency"]["median"] / 1000


def examine(exporter: Exporter, form: str, arguments: argparse.Namespace) -> list[Result]:
    network = exporter.network
    results = [Result(network.name, exporter.norm, form, list(shape)) for shape in shapes(network, form)]
    stage = "torch.export refuses the network"
    try:
        program = exporter.program(form)
        stage = "rbn"
        plan = json.loads(run(arguments.rbn, ["inspect", program, "--json"]))["inspection"]["network"]
        for result in results:
            result.aten = exporter.facts[f"aten-{form}"]
            result.operators = sum(result.aten.values())
            result.steps = sum(not step["isAlias"] for step in plan["steps"])
            result.rbn_present = exporter.facts["rbn_layers"]
            result.rbn_fused = plan["representativeBatchNormCount"]
            x, expected, truth = exporter.golden(tuple(result.shape))
            try:
                actual = outputs_of(arguments.rbn, program, x, arguments.threads)
                measure(result, actual, expected, truth, arguments.tolerance)
            except CommandError as error:
                result.message = str(error)
        if arguments.time and form == "default":
            # One image, where the network does not ask for the example's batch by a number.
            batch = plan["inputs"][0]["shape"][0] or 1
            ours = rbn_seconds(arguments.rbn, program, batch, arguments.threads)
            results[0].time_ratio = exporter.seconds(batch) / ours
    except CommandError as error:
        results[0].message = str(error)
    except Exception as error:
        if stage == "rbn":
            raise
        results[0].message = f"{stage}: {type(error).__name__}: {error}"
    return results


def compare(exporter: Exporter, form: str, arguments: argparse.Namespace) -> list[Result]:
    """The results of one network, norm and form; none where RBN is asked of a network without BatchNorm."""
    try:
        if exporter.norm == "rbn" and not exporter.has_norms():
            return []
        return examine(exporter, form, arguments)
    except Exception as error:
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}"
        return [Result(exporter.network.name, exporter.norm, form, [], message=message)]


def is_done(result: Result | None, needs_time: bool) -> bool:
    """Whether an earlier run left nothing to do for a comparison."""
    if result is None or not result.passed:
        return False
    return not needs_time or result.form != "default" or result.time_ratio is not None


def main() -> int:
    arguments = parse()
    if arguments.list:
        print("\n".join(NETWORKS))
        return 0
    warnings.filterwarnings("ignore")
    torch.set_num_threads(arguments.threads)
    kept = {} if arguments.json is None else {result.key: result for result in read(arguments.json)}
    print(HEADER, flush=True)
    results: list[Result] = []
    for name in arguments.networks or NETWORKS:
        network = NETWORKS[name].at_small_size() if arguments.small else NETWORKS[name]
        for norm in arguments.norms:
            with tempfile.TemporaryDirectory() as scratch:
                folder = arguments.cache or Path(scratch)
                folder.mkdir(parents=True, exist_ok=True)
                exporter = Exporter(network, norm, folder)
                for form in arguments.forms:
                    earlier = [kept.get((name, norm, form, shape)) for shape in shapes(network, form)]
                    if arguments.show:
                        found = [result for result in kept.values() if result.key[:3] == (name, norm, form)]
                    elif arguments.resume and all(is_done(result, arguments.time) for result in earlier):
                        found = [result for result in earlier if result is not None]
                    else:
                        found = compare(exporter, form, arguments)
                    for result in found:
                        print(row(result), flush=True)
                        kept[result.key] = result
                    results += found
                    if arguments.json is not None and not arguments.show:
                        write(arguments.json, kept.values(), arguments.tolerance)
    print(summary(results))
    if arguments.documentation is not None:
        order = list(NETWORKS)
        write_table(arguments.documentation, sorted(kept.values(), key=lambda result: order.index(result.network)))
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
