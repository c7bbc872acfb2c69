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

exit status: 0 all outputs agree, 1 some don't, 2 wrong usage, or a runtime that can't be set up or started, or ends
"""
# Options that have no effect on whole processes, with their defaults for the others.
WARM_OPTIONS = {"iterations": 10, "warm_up": 2, "plot": None}


class ExportError(Exception):
    """A network that can't be made."""


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
    parser.add_argument("--iterations", type=int,
                        help="timed calls in a turn, divided by the batch size but at least 3 (default 10)")
    parser.add_argument("--warm-up", type=int, help="untimed calls at the start of a turn (default 2)")
    parser.add_argument("--cold", action="store_true",
                        help="measure whole processes instead: start, load, one answer, exit; time and peak memory; "
                        "not with --iterations, --warm-up or --plot")
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
    parser.add_argument("--readme", action="store_true",
                        help="print the summary, or with --cold the tables, as Markdown")
    arguments = parser.parse_args()
    for option, default in WARM_OPTIONS.items():
        if getattr(arguments, option) is None:
            setattr(arguments, option, None if arguments.cold else default)
        elif arguments.cold:
            parser.error(f"--{option.replace('_', '-')} has no effect with --cold: leave it out")
    for option, least in (("rounds", 1), ("iterations", 1), ("warm_up", 0)):
        value = getattr(arguments, option)
        if value is not None and value < least:
            parser.error(f"--{option.replace('_', '-')} must be at least {least}")
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
            raise ExportError(f"{case.network} can't be made:\n{result.stderr.strip()}")
        failures.update(json.loads(result.stdout.splitlines()[-1]))
    return failures


def relative_error(output: Path, exported: Exported) -> float:
    import numpy

    if not output.is_file():
        return float("inf")
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
    ended = {runtime: reason for runtime, reason in failures.items() if runtime == OURS}
    workers: list[Worker] = []
    errors: dict[tuple[str, str], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for runtime in (OURS, *arguments.runtimes):
                for variant in arguments.variants:
                    if runtime in failures or runtime in ended:
                        continue
                    log(f"{case.title}: starting {runtime} ({variant})")
                    exported = Exported(arguments.models, case.network, variant, case.batch)
                    try:
                        worker = Worker(arguments.rbn, runtime, exported, case.threads, Path(folder))
                    except WorkerError as error:
                        ended[runtime] = str(error)
                        continue
                    workers.append(worker)
                    errors[runtime, variant] = relative_error(worker.output, exported)
            log(f"{case.title}: {arguments.rounds} rounds")
            count = max(3, arguments.iterations // case.batch)
            interference = interleave(workers, arguments.rounds, arguments.warm_up, count, case.threads)
        finally:
            for worker in workers:
                worker.close()
    ended.update({worker.runtime: worker.error for worker in workers if worker.error is not None})
    times = {(worker.runtime, worker.variant): worker.times for worker in workers if worker.error is None}
    return report.case_result(case, times, errors, {**failures, **ended}, ended, interference)


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
    from runtime_comparison import report
    from runtime_comparison.cold import ColdStart, measure as run_all
    from runtime_comparison.turns import answer_command

    # This runtime reads the checkpoint too.
    failures = export(arguments, case, list(dict.fromkeys((OURS, "torch", *arguments.runtimes))))
    ended = {runtime: reason for runtime, reason in failures.items() if runtime == OURS}
    errors: dict[tuple[str, str, str], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        entries: list[ColdStart] = []
        for variant in arguments.variants:
            exported = Exported(arguments.models, case.network, variant, case.batch)
            for runtime in (OURS, *arguments.runtimes):
                if runtime in failures or runtime in ended:
                    continue
                try:
                    files = our_files(arguments.rbn, exported) if runtime == OURS else [exported.model(runtime)]
                except command.CommandError as error:
                    ended[runtime] = str(error)
                    continue
                for file in files:
                    output = Path(folder) / f"{runtime}-{variant}{file.suffix}.npy"
                    words = answer_command(arguments.rbn, runtime, file, exported, output, case.threads)
                    entries.append(ColdStart(runtime, variant, file.suffix, words, output))
        log(f"{case.title}: {arguments.rounds} rounds")
        run_all(entries, arguments.rounds, case.threads, arguments.models / "inductor")
        for entry in entries:
            if entry.error is not None:
                ended[entry.runtime] = entry.error
                continue
            exported = Exported(arguments.models, case.network, entry.variant, case.batch)
            errors[entry.runtime, entry.variant, entry.file] = relative_error(entry.output, exported)
    return report.cold_result(case, entries, errors, {**failures, **ended}, ended)


def judge(result: dict[str, Any], tolerance: float) -> int:
    """Says what is wrong with the runtimes of a case; gives the exit status."""
    from runtime_comparison import report

    status = 0
    for runtime, error in report.disagreements(result, tolerance):
        log(f"error: {result['title']}: {runtime}'s logits differ: {error:.1e}")
        status = 1
    for runtime, reason in result["ended"].items():
        log(f"error: {result['title']}: {runtime}: {reason}")
        status = 2
    return status


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
    status = 0
    for case in [case for case in CASES if case.name in arguments.cases]:
        try:
            result = measure_cold(arguments, case) if arguments.cold else measure(arguments, case)
        except ExportError as error:
            log(f"error: {error}")
            status = 2
            continue
        document["results"].append(result)
        table = report.cold_table(result, arguments.readme) if arguments.cold else report.case_table(result)
        print(table + "\n", flush=True)
        status = max(status, judge(result, arguments.tolerance))
        if arguments.json:
            arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    line = report.machine_line(facts, versions)
    if not arguments.cold:
        print(report.summary(document["results"], arguments.readme) + "\n")
        if arguments.plot and document["results"]:
            report.plot(document["results"], arguments.plot, line)
    print(line)
    return status


if __name__ == "__main__":
    sys.exit(main())
