"""The results as tables, Markdown, JSON and a plot."""

from __future__ import annotations

import os
import platform
import statistics
import textwrap
from pathlib import Path
from typing import Any, Sequence

from runtime_comparison.cases import OURS, RUNTIMES, VARIANTS, Case
from runtime_comparison.cold import ColdStart

TITLES = {
    "swift-rbn": "swift-rbn",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "torch.compile": "torch.compile",
    "torch": "PyTorch eager",
    "ncnn": "ncnn",
}
# The share of the processors that others may take before figures are called disturbed.
QUIET = 0.03
PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "torch": "torch", "ncnn": "ncnn"}


def machine() -> dict[str, Any]:
    """The processor and system, as the kernel tells."""
    facts: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    flags = facts.get("flags", facts.get("Features", "")).split()
    family = " ".join(facts[key] for key in ("cpu family", "model", "stepping") if key in facts)
    return {
        "processor": facts.get("model name", platform.machine()),
        "family_model_stepping": family,
        "processors": len(os.sched_getaffinity(0)),
        "instruction_sets": [name for name in ("avx2", "fma", "avx512f", "avx512_bf16", "amx_tile") if name in flags],
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
        "load_average": list(os.getloadavg()),
    }


def machine_line(facts: dict[str, Any], versions: dict[str, str]) -> str:
    packages = ", ".join(f"{TITLES[runtime]} {versions[package]}" for runtime, package in PACKAGES.items()
                         if package in versions)
    packages = packages.replace("PyTorch eager", "PyTorch")
    sets = ", ".join(facts["instruction_sets"])
    return f"{facts['processor']} ({sets}), {facts['processors']} processors; {packages}"


def case_result(case: Case, times: dict[tuple[str, str], list[list[float]]], errors: dict[tuple[str, str], float],
                failures: dict[str, str], ended: dict[str, str], interference: float) -> dict[str, Any]:
    """Medians over all rounds, and the ratios to the best other runtime.

    `failures` are the runtimes that are left out, with the reason; `ended` those of them that did not start, or ended.
    """
    entries = []
    for runtime in RUNTIMES:
        entry: dict[str, Any] = {"runtime": runtime}
        for variant in VARIANTS:
            rounds = times.get((runtime, variant))
            if rounds:
                flat = [value for values in rounds for value in values]
                entry[variant] = {
                    "median_ms": statistics.median(flat),
                    "minimum_ms": min(flat),
                    "round_medians_ms": [statistics.median(values) for values in rounds],
                    "relative_error": errors.get((runtime, variant)),
                }
        if len(entry) > 1:
            entries.append(entry)
    result: dict[str, Any] = {
        "case": case.name, "title": case.title, "network": case.network, "batch": case.batch,
        "threads": case.threads, "runtimes": entries, "failures": failures, "ended": ended,
        "interference": interference,
    }
    ours = next((entry for entry in entries if entry["runtime"] == OURS), None)
    best = {
        variant: min((e[variant]["median_ms"], e["runtime"]) for e in entries if e["runtime"] != OURS and variant in e)
        for variant in VARIANTS
        if any(e["runtime"] != OURS and variant in e for e in entries)
    }
    result["best_other"] = {variant: {"runtime": name, "median_ms": ms} for variant, (ms, name) in best.items()}
    if ours is not None:
        median = {variant: ours[variant]["median_ms"] for variant in VARIANTS if variant in ours}
        ratios = {f"{v}_to_best_{v}": median[v] / best[v][0] for v in VARIANTS if v in median and v in best}
        if "rbn" in median and "bn" in best:
            ratios["rbn_to_best_bn"] = median["rbn"] / best["bn"][0]
        if len(median) == 2:
            ratios["rbn_to_bn"] = median["rbn"] / median["bn"]
        result["ratios"] = ratios
    return result


def cold_result(case: Case, entries: Sequence[ColdStart], errors: dict[tuple[str, str, str], float],
                failures: dict[str, str], ended: dict[str, str]) -> dict[str, Any]:
    """Medians over all rounds of the commands that did not fail; `failures` and `ended` as in `case_result`."""
    return {
        "case": case.name, "title": case.title, "network": case.network, "batch": case.batch,
        "threads": case.threads, "failures": failures, "ended": ended,
        "entries": [
            {
                "runtime": entry.runtime, "variant": entry.variant, "file": entry.file,
                "median_seconds": statistics.median(entry.seconds), "seconds": entry.seconds,
                "peak_bytes": max(entry.peak_bytes),
                "relative_error": errors[entry.runtime, entry.variant, entry.file],
            }
            for entry in entries
            if entry.error is None
        ],
    }


def _number(value: float | None, form: str = ".2f") -> str:
    return "–" if value is None else format(value, form)


def align(rows: Sequence[Sequence[str]], markdown: bool = False) -> str:
    """Columns aligned, the first to the left; as Markdown if wanted."""
    if markdown:
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        lines.insert(1, "|---|" + "---:|" * (len(rows[0]) - 1))
        return "\n".join(lines)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                  for column, (cell, width) in enumerate(zip(row, widths))).rstrip()
        for row in rows
    )


def case_table(result: dict[str, Any]) -> str:
    """One case: a row a runtime."""
    best = result["best_other"]
    rows = [["", "BN ms", "RBN ms", "RBN / BN", "BN min", "RBN min", "BN error", "RBN error"]]
    for entry in result["runtimes"]:
        bn, rbn = entry.get("bn", {}), entry.get("rbn", {})
        ratio = rbn["median_ms"] / bn["median_ms"] if bn and rbn else None
        row = [TITLES[entry["runtime"]], _number(bn.get("median_ms")), _number(rbn.get("median_ms")), _number(ratio)]
        row += [_number(part.get("minimum_ms")) for part in (bn, rbn)]
        row += [_number(part.get("relative_error"), ".1e") for part in (bn, rbn)]
        rows.append(row)
    lines = [result["title"], align(rows)]
    ratios = result.get("ratios", {})
    words = {
        "bn_to_best_bn": f"BN / best other's BN ({TITLES.get(best.get('bn', {}).get('runtime'), '')})",
        "rbn_to_best_rbn": f"RBN / best other's RBN ({TITLES.get(best.get('rbn', {}).get('runtime'), '')})",
        "rbn_to_best_bn": "RBN / best other's BN",
        "rbn_to_bn": "RBN / own BN",
    }
    lines += [f"ours: {text} {ratios[key]:.3f}" for key, text in words.items() if key in ratios]
    lines.append(f"other processes took {result['interference']:.1%} of the processors during the turns"
                 + (": the figures are disturbed" if result["interference"] > QUIET else ""))
    return "\n".join([*lines, *_left_out(result)])


def _left_out(result: dict[str, Any]) -> list[str]:
    return [f"{runtime} was left out: {reason}" for runtime, reason in result["failures"].items()]


def summary(results: Sequence[dict[str, Any]], markdown: bool = False) -> str:
    """All cases: a row a case, `BN → RBN` for each runtime, and the ratios."""
    present = [name for name in RUNTIMES if any(e["runtime"] == name for r in results for e in r["runtimes"])]
    rows = [["median ms, BN → RBN", *(TITLES[name] for name in present), "RBN ratio", "against plain BN"]]
    for result in results:
        row = [result["title"]]
        for name in present:
            entry = next((e for e in result["runtimes"] if e["runtime"] == name), {})
            row.append(" → ".join(_number(entry.get(v, {}).get("median_ms"), ".1f") for v in VARIANTS) if entry else "–")
        ratios = result.get("ratios", {})
        row += [_number(ratios.get("rbn_to_best_rbn")), _number(ratios.get("rbn_to_best_bn"))]
        rows.append(row)
    return align(rows, markdown)


def cold_table(result: dict[str, Any], markdown: bool = False) -> str:
    """One case of whole processes: a row a runtime and file."""
    entries = result["entries"]
    rows = [["start to answer to exit", "file", "BN s", "RBN s", "BN peak MB", "RBN peak MB", "BN error", "RBN error"]]
    for runtime, file in dict.fromkeys((entry["runtime"], entry["file"]) for entry in entries):
        found = {e["variant"]: e for e in entries if (e["runtime"], e["file"]) == (runtime, file)}
        seconds = [_number(found.get(v, {}).get("median_seconds"), ".3f") for v in VARIANTS]
        peaks = [found[v]["peak_bytes"] / 1e6 if v in found else None for v in VARIANTS]
        errors = [_number(found.get(v, {}).get("relative_error"), ".1e") for v in VARIANTS]
        rows.append([TITLES[runtime], file, *seconds, *(_number(peak, ".0f") for peak in peaks), *errors])
    if markdown:
        return "\n\n".join([result["title"], align(rows, markdown), *_left_out(result)])
    return "\n".join([result["title"], align(rows), *_cold_ratios(entries), *_left_out(result)])


def disagreements(result: dict[str, Any], tolerance: float) -> list[tuple[str, float]]:
    """The runtimes whose logits differ from the expected ones by more than the tolerance, and by how much."""
    errors: dict[str, float] = {}
    for entry in result.get("entries", []):
        errors[entry["runtime"]] = max(errors.get(entry["runtime"], 0), entry["relative_error"])
    for entry in result.get("runtimes", []):
        errors[entry["runtime"]] = max(entry[variant]["relative_error"] for variant in VARIANTS if variant in entry)
    return [(runtime, error) for runtime, error in errors.items() if error > tolerance]


def _cold_ratios(entries: Sequence[dict[str, Any]]) -> list[str]:
    """Ours against the fastest other, and the leanest other."""
    lines = []
    for variant in VARIANTS:
        others = [entry for entry in entries if entry["variant"] == variant and entry["runtime"] != OURS]
        if not others:
            continue
        fastest = min(others, key=lambda entry: entry["median_seconds"])
        leanest = min(others, key=lambda entry: entry["peak_bytes"])
        for entry in entries:
            if entry["variant"] == variant and entry["runtime"] == OURS:
                time = entry["median_seconds"] / fastest["median_seconds"]
                memory = entry["peak_bytes"] / leanest["peak_bytes"]
                lines.append(f"ours, {variant.upper()}, {entry['file']}: {time:.3f} of the time of "
                             f"{TITLES[fastest['runtime']]}, {memory:.3f} of the memory of {TITLES[leanest['runtime']]}")
    return lines


def plot(results: Sequence[dict[str, Any]], path: Path, caption: str) -> None:
    """Bars for each case: light for BatchNorm, full for RBN; one panel a case, as times differ by tens."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(3, len(results))
    rows = (len(results) + columns - 1) // columns
    figure, axes = pyplot.subplots(rows, columns, figsize=(4.6 * columns, 3.1 * rows), squeeze=False)
    for axis, result in zip(axes.flat, results):
        entries = result["runtimes"][::-1]
        for position, entry in enumerate(entries):
            colour = "#d1495b" if entry["runtime"] == OURS else "#5b7a99"
            for offset, variant, alpha in ((0.2, "bn", 0.45), (-0.2, "rbn", 1.0)):
                if variant in entry:
                    value = entry[variant]["median_ms"]
                    axis.barh(position + offset, value, 0.38, color=colour, alpha=alpha)
                    axis.text(value, position + offset, f" {value:.1f} {variant.upper()}", va="center", fontsize=7)
        axis.set_yticks(range(len(entries)), [TITLES[entry["runtime"]] for entry in entries], fontsize=8)
        axis.set_title(result["title"], fontsize=9)
        axis.set_xlabel("ms (median)", fontsize=8)
        axis.tick_params(axis="x", labelsize=8)
        axis.margins(x=0.18)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in list(axes.flat)[len(results):]:
        axis.set_visible(False)
    lines = textwrap.wrap(caption, 75 * columns)
    figure.text(0.01, 0.01, "\n".join(lines), fontsize=7)
    figure.tight_layout(rect=(0, 0.02 + 0.14 * len(lines) / figure.get_figheight(), 1, 1))
    figure.savefig(path, dpi=150)
