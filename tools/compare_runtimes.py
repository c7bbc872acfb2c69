#!/usr/bin/env python3
"""Compares swift-rbn with other runtimes on the same weights, with BatchNorm and with Representative BatchNorm.

Makes an environment with ONNX Runtime, OpenVINO, PyTorch and ncnn, exports seeded networks to all of them, checks every
runtime's logits against PyTorch's in float64, and measures: each runtime keeps its model loaded in a process of its
own, all held to the same processors and numbers of threads; they take turns, round after round, and are stopped when
it is not their turn. All compute in float32.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parent))

from rbn_torch import command
from runtime_comparison import environment
from runtime_comparison.cases import CASES, OURS, RUNTIMES, VARIANTS, Case, Exported

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = """examples:
  tools/compare_runtimes.py
  tools/compare_runtimes.py --cases resnet50 mobilenet_v2 --runtimes onnxruntime openvino --rounds 10
  tools/compare_runtimes.py --cold --cases resnet50
  tools/compare_runtimes.py --json results.json --plot results.svg --readme

exit status: 0 all outputs agree, 1 some don't, 2 wrong usage or a runtime that can't be set up
"""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [case.name for case in CASES]
    others = [runtime for runtime in RUNTIMES if runtime != OURS]
    parser.add_argument("--cases", nargs="+", choices=names, default=names, metavar="CASE",
                        help="of: " + ", ".join(names))
    parser.add_argument("--runtimes", nargs="*", choices=others, default=others, metavar="RUNTIME",
                        help="the others, of: " + ", ".join(others))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT",
                        help="of: " + ", ".join(VARIANTS))
    parser.add_argument("--rounds", type=int, default=8, help="turns of every runtime (default 8)")
    parser.add_argument("--iterations", type=int, default=10,
                        help="timed calls in a turn, divided by the batch size but at least 3 (default 10)")
    parser.add_argument("--warm-up", type=int, default=2, help="untimed calls at the start of a turn (default 2)")
    parser.add_argument("--cold", action="store_true",
                        help="measure whole processes instead: start, load, one answer, exit; time and peak memory")
    parser.add_argument("--rbn", type=Path, default=ROOT / ".build/release/rbn",
                        help="the rbn command (default .build/release/rbn)")
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv-compare", metavar="DIR",
                        help="the virtual environment, made where missing (default .venv-compare)")
    parser.add_argument("--pip-argument", action="append", default=[], metavar="WORD",
                        help="for pip, again for each: --pip-argument=--extra-index-url=…")
    parser.add_argument("--models", type=Path, metavar="DIR",
                        help="where the exported networks are kept, some GB (default: models in the environment)")
    parser.add_argument("--tolerance", type=float, default=1e-3,
                        help="of the largest logit, against float64 (default 1e-3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a plot: .png, .svg or .pdf")
    parser.add_argument("--readme", action="store_true", help="print the summary as Markdown")
    arguments = parser.parse_args()
    for option in ("rounds", "iterations"):
        if getattr(arguments, option) < 1:
            parser.error(f"--{option} must be at least 1")
    if not arguments.rbn.is_file():
        parser.error(f"{arguments.rbn} is not there: swift build -c release --product rbn, or name it with --rbn")
    arguments.rbn = arguments.rbn.resolve()
    arguments.models = (arguments.models or arguments.environment / "models").resolve()
    return arguments


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def export(arguments: argparse.Namespace, case: Case, runtimes: Sequence[str]) -> dict[str, str]:
    """Writes the files that are missing; gives the runtimes that can't have the network, with the reason."""
    log(f"{case.title}: exporting")
    program = ROOT / "tools" / "runtime_comparison" / "models.py"
    failures: dict[str, str] = {}
    for variant in arguments.variants:
        words = [sys.executable, program, arguments.models, case.network, variant, case.batch]
        result = subprocess.run([str(word) for word in [*words, *runtimes]], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, check=False)
        if result.returncode != 0:
            raise SystemExit(f"error: {case.network} can't be made:\n{result.stderr.strip()}")
        failures.update(json.loads(result.stdout.splitlines()[-1]))
    return failures


def relative_error(output: Path, exported: Exported) -> float:
    import numpy

    expected = numpy.load(exported.expected)
    actual = numpy.load(output)
    if actual.shape != expected.shape:
        return float("inf")
    error = numpy.abs(actual - expected).max() / numpy.abs(expected).max()
    return float(error) if numpy.isfinite(error) else float("inf")


def measure(arguments: argparse.Namespace, case: Case) -> dict[str, Any]:
    """One case, warm."""
    from runtime_comparison import report
    from runtime_comparison.turns import Worker, WorkerError, interleave

    failures = export(arguments, case, (OURS, *arguments.runtimes))
    workers: list[Worker] = []
    errors: dict[tuple[str, str], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for runtime in (OURS, *arguments.runtimes):
                for variant in arguments.variants:
                    if runtime in failures:
                        continue
                    log(f"{case.title}: starting {runtime} ({variant})")
                    exported = Exported(arguments.models, case.network, variant, case.batch)
                    try:
                        worker = Worker(arguments.rbn, runtime, exported, case.threads, Path(folder))
                    except WorkerError as error:
                        failures[runtime] = str(error)
                        continue
                    workers.append(worker)
                    errors[runtime, variant] = relative_error(worker.output, exported)
            log(f"{case.title}: {arguments.rounds} rounds")
            count = max(3, arguments.iterations // case.batch)
            interference = interleave(workers, arguments.rounds, arguments.warm_up, count, case.threads)
        finally:
            for worker in workers:
                worker.close()
    times = {(worker.runtime, worker.variant): worker.times for worker in workers}
    return report.case_result(case, times, errors, failures, interference)


def our_files(rbn: Path, exported: Exported) -> list[Path]:
    """The bundle, the exported program, and the checkpoint where its network is known without a graph."""
    program, bundle, checkpoint = (exported.file(suffix) for suffix in (".pt2", ".rbn", ".pth"))
    if not bundle.exists():
        command.convert(rbn, program, bundle)
    try:
        known = json.loads(command.run(rbn, ["inspect", checkpoint, "--json"]))["inspection"].get("network")
    except command.CommandError:
        known = None
    return [bundle, program, *([checkpoint] if known else [])]


def measure_cold(arguments: argparse.Namespace, case: Case) -> dict[str, Any]:
    """One case, whole processes."""
    import statistics

    from runtime_comparison.cold import ColdStart, measure as run_all
    from runtime_comparison.turns import answer_command

    # This runtime reads the checkpoint too.
    failures = export(arguments, case, dict.fromkeys((OURS, "torch", *arguments.runtimes)))
    with tempfile.TemporaryDirectory() as folder:
        entries = []
        for variant in arguments.variants:
            exported = Exported(arguments.models, case.network, variant, case.batch)
            for runtime in (OURS, *arguments.runtimes):
                if runtime in failures:
                    continue
                files = our_files(arguments.rbn, exported) if runtime == OURS else [exported.model(runtime)]
                for file in files:
                    output = Path(folder) / f"{runtime}-{variant}{file.suffix}.npy"
                    words = answer_command(arguments.rbn, runtime, file, exported, output, case.threads)
                    entries.append(ColdStart(runtime, variant, file.suffix, words))
        log(f"{case.title}: {arguments.rounds} rounds")
        run_all(entries, arguments.rounds, case.threads, arguments.models / "inductor")
    return {
        "case": case.name, "title": case.title, "network": case.network, "batch": case.batch,
        "threads": case.threads, "failures": failures,
        "entries": [
            {
                "runtime": entry.runtime, "variant": entry.variant, "file": entry.file,
                "median_seconds": statistics.median(entry.seconds), "seconds": entry.seconds,
                "peak_bytes": max(entry.peak_bytes),
            }
            for entry in entries
        ],
    }


def main() -> int:
    arguments = parse()
    try:
        environment.ensure(arguments.environment, arguments.pip_argument)
    except environment.SetupError as error:
        log(f"error: {error}")
        return 2
    if not environment.is_current(arguments.environment):
        python = str(environment.python_of(arguments.environment))
        os.execv(python, [python, *sys.argv])
    from runtime_comparison import report

    arguments.models.mkdir(parents=True, exist_ok=True)
    facts = report.machine()
    versions = environment.versions(["torch", "onnxruntime", "openvino", "ncnn", "onnx", "torchvision", "pnnx"])
    document: dict[str, Any] = {
        "schema_version": 1, "kind": "cold" if arguments.cold else "warm", "machine": facts, "versions": versions,
        "rounds": arguments.rounds, "iterations": arguments.iterations, "results": [],
    }
    agrees = True
    for case in [case for case in CASES if case.name in arguments.cases]:
        result = measure_cold(arguments, case) if arguments.cold else measure(arguments, case)
        document["results"].append(result)
        if arguments.cold:
            print(result["title"] + "\n" + report.cold_table(result["entries"]) + "\n", flush=True)
        else:
            print(report.case_table(result) + "\n", flush=True)
            for entry in result["runtimes"]:
                errors = [entry[v]["relative_error"] for v in VARIANTS if v in entry]
                if any(error > arguments.tolerance for error in errors):
                    agrees = False
                    log(f"error: {result['title']}: {entry['runtime']}'s logits differ: {max(errors):.1e}")
        if arguments.json:
            arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    line = report.machine_line(facts, versions)
    if not arguments.cold:
        print(report.summary(document["results"], arguments.readme) + "\n")
        if arguments.plot:
            report.plot(document["results"], arguments.plot, line)
    print(line)
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
