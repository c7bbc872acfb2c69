#!/usr/bin/env python3
"""Runs the networks of torchvision and timm in PyTorch and with rbn, and prints how far apart they are.

Each network is built with seeded weights and statistics of real passes, with BatchNorm and with Representative BatchNorm
in its place, exported, and run on seeded images. `default` and `decomposed` programs have static shapes; the `dynamic` ones
leave batch, height and width free and are run at two shapes that are not the example's.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import asdict, dataclass, field
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

FORMS = ("default", "decomposed", "dynamic", "dynamic-decomposed")
NORMS = ("bn", "rbn")
EXAMPLE_BATCH = 2
COLUMNS = f"{'network':<28} {'norm':<4} {'form':<18} {'shape':<13} {'ops':>5} {'steps':>5} {'RBN':>7} {'error':>8} {'top-1':>6} {'time':>5}"

EXAMPLES = """examples:
  tools/zoo.py --rbn .build/release/rbn
  tools/zoo.py --rbn .build/release/rbn resnet50 hrnet_w18 --forms default dynamic --json zoo.json
  tools/zoo.py --rbn .build/release/rbn --norms rbn --cache build/zoo --time
  tools/zoo.py --rbn .build/release/rbn --time --documentation Sources/RBNRuntime/RBNRuntime.docc/SupportedNetworks.md

exit status: 0 every comparison passes, 1 one fails, 2 wrong usage
"""


@dataclass
class Result:
    """One network, norm and form at one shape."""

    network: str
    norm: str
    form: str
    shape: list[int]
    operators: int | None = None
    steps: int | None = None
    rbn_present: int | None = None
    rbn_fused: int | None = None
    error: float | None = None
    top1_agreement: float | None = None
    time_ratio: float | None = None
    passed: bool = False
    message: str = ""
    aten: dict[str, int] = field(default_factory=dict)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="default: all; see --list")
    parser.add_argument("--rbn", type=Path, help="the rbn command")
    parser.add_argument("--norms", nargs="+", choices=NORMS, default=list(NORMS), help="default: both")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=["default"], help="default: default")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of the largest output (default 1e-4)")
    parser.add_argument("--time", action="store_true", help="compare times too, PyTorch eager over rbn, batch 1")
    parser.add_argument("--threads", type=int, default=2, help="threads of both (default 2)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep programs and PyTorch's results there, and use them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON too")
    parser.add_argument("--documentation", type=Path, metavar="FILE", help="write the table of the DocC article")
    parser.add_argument("--list", action="store_true", help="print the networks' names")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.networks if name not in NETWORKS]
    if unknown:
        parser.error(f"there is no network {', '.join(unknown)}; --list prints the names")
    if arguments.rbn is None and not arguments.list:
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
        self.facts_path = folder / f"{network.name}-{norm}.json"
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
        path = self.folder / f"{self.network.name}-{self.norm}-{form}.pt2"
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

    def golden(self, shape: tuple[int, int, int]) -> tuple[Tensor, list[numpy.ndarray]]:
        """The images of a shape and PyTorch's outputs for them."""
        batch, height, width = shape
        x = images(batch, height, width, torch.Generator().manual_seed(batch * 10000 + height))
        path = self.folder / f"{self.network.name}-{self.norm}-{batch}x{height}x{width}.npz"
        if not path.exists():
            with torch.no_grad():
                outputs = [value.numpy() for value in flatten_outputs(self.module(x.clone()))]
            numpy.savez(path, *outputs)
        with numpy.load(path, allow_pickle=False) as archive:
            return x, [archive[name] for name in archive.files]

    def seconds(self) -> float:
        """The median time of one image in PyTorch."""
        x = images(1, self.network.size, self.network.size, torch.Generator().manual_seed(3))
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


def rbn_seconds(rbn: Path, program: Path, threads: int) -> float:
    """The median time of one image."""
    words = ["bench", program, "--batch", "1", "--threads", str(threads), "--iterations", "7", "--json"]
    document = json.loads(run(rbn, words))
    return document["configurations"][0]["latency_ms"]["median"] / 1000


def compare(result: Result, actual: list[numpy.ndarray], expected: list[numpy.ndarray], tolerance: float) -> None:
    """Sets the error relative to the largest value, and how often the largest class is the same."""
    if [a.shape for a in actual] != [e.shape for e in expected]:
        raise CommandError(f"shapes {[a.shape for a in actual]}, not {[e.shape for e in expected]}")
    if not all(numpy.isfinite(e).all() and numpy.abs(e).max() > 0 for e in expected):
        raise CommandError("PyTorch's output is zero or not finite: the network is not calibrated")
    result.error = max(float(numpy.abs(a - e).max() / numpy.abs(e).max()) for a, e in zip(actual, expected))
    agreement = [float((a.argmax(1) == e.argmax(1)).mean()) for a, e in zip(actual, expected)]
    result.top1_agreement = min(agreement)
    fused = result.rbn_fused == result.rbn_present
    result.passed = result.error <= tolerance and fused
    if not fused:
        result.message = "not every RBN layer is fused"
    elif not result.passed:
        result.message = f"the error is above {tolerance:g}"


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
            x, expected = exporter.golden(tuple(result.shape))
            try:
                compare(result, outputs_of(arguments.rbn, program, x, arguments.threads), expected, arguments.tolerance)
            except CommandError as error:
                result.message = str(error)
        if arguments.time and form == "default":
            results[0].time_ratio = exporter.seconds() / rbn_seconds(arguments.rbn, program, arguments.threads)
    except CommandError as error:
        results[0].message = str(error)
    except Exception as error:
        if stage == "rbn":
            raise
        results[0].message = f"{stage}: {type(error).__name__}: {error}"
    return results


def show(result: Result) -> None:
    def text(value: object, form: str = "") -> str:
        return "-" if value is None else format(value, form)

    shape = "x".join(map(str, result.shape))
    rbn = "-" if result.rbn_present is None else f"{result.rbn_fused}/{result.rbn_present}"
    row = f"{result.network:<28} {result.norm:<4} {result.form:<18} {shape:<13} {text(result.operators):>5} "
    row += f"{text(result.steps):>5} {rbn:>7} {text(result.error, '.1e'):>8} {text(result.top1_agreement, '.0%'):>6} "
    row += f"{text(result.time_ratio, '.2f'):>5}"
    message = " ".join(result.message.split())
    print(f"{row}  {'pass' if result.passed else 'FAIL'}  {message[:1200]}".rstrip(), flush=True)


def summary(results: list[Result]) -> str:
    failed = sum(not result.passed for result in results)
    worst = max((result.error for result in results if result.error is not None), default=float("nan"))
    names = {result.network for result in results}
    return f"{len(names)} networks, {len(results)} comparisons, {failed} failed, largest error {worst:.1e}"


def documentation(results: list[Result]) -> str:
    """The table of networks for people: one row a network."""
    rows = ["| network | norms | exports | operators → steps | largest error | time, PyTorch ÷ rbn |", "|---|---|---|---|---|---|"]
    for name in dict.fromkeys(result.network for result in results):
        mine = [result for result in results if result.network == name and result.passed]
        if not mine:
            continue
        norms = ", ".join(label for norm, label in (("bn", "BatchNorm"), ("rbn", "RBN")) if any(r.norm == norm for r in mine))
        if not any(r.norm == "rbn" for r in mine):
            norms = "as published"
        forms = ", ".join(form for form in FORMS if any(r.form == form for r in mine))
        first = mine[0]
        ratios = ", ".join(f"{r.time_ratio:.2f}" for r in mine if r.time_ratio is not None) or "–"
        error = max(r.error for r in mine if r.error is not None)
        rows.append(f"| {name} | {norms} | {forms} | {first.operators} → {first.steps} | {error:.0e} | {ratios} |")
    return "\n".join(rows) + "\n"


def write_documentation(path: Path, results: list[Result]) -> None:
    """Replaces the table between the article's two marks."""
    begin, end = "<!-- begin: tools/zoo.py -->\n", "<!-- end: tools/zoo.py -->"
    article = path.read_text(encoding="utf-8")
    head, found, rest = article.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"zoo.py: {path} has not the marks {begin.strip()} and {end}")
    path.write_text(head + begin + documentation(results) + end + tail, encoding="utf-8")


def main() -> int:
    arguments = parse()
    if arguments.list:
        print("\n".join(NETWORKS))
        return 0
    warnings.filterwarnings("ignore")
    torch.set_num_threads(arguments.threads)
    print(COLUMNS, flush=True)
    results: list[Result] = []
    for name in arguments.networks or NETWORKS:
        for norm in arguments.norms:
            with tempfile.TemporaryDirectory() as scratch:
                folder = arguments.cache or Path(scratch)
                folder.mkdir(parents=True, exist_ok=True)
                exporter = Exporter(NETWORKS[name], norm, folder)
                try:
                    if norm == "rbn" and not exporter.has_norms():
                        continue
                    found = [result for form in arguments.forms for result in examine(exporter, form, arguments)]
                except Exception as error:
                    traceback.print_exc()
                    found = [Result(name, norm, "-", [], message=f"{type(error).__name__}: {error}")]
            for result in found:
                show(result)
            results += found
    print(summary(results))
    if arguments.json is not None:
        document = {"schema_version": 1, "tolerance": arguments.tolerance, "results": [asdict(r) for r in results]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if arguments.documentation is not None:
        write_documentation(arguments.documentation, results)
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
