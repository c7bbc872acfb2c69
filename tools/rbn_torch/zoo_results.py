"""What a comparison of a network found: measured, kept as JSON, shown as a row, and told to people as a table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Iterable, Sequence

import numpy

from rbn_torch.command import CommandError

FORMS = ("default", "decomposed", "dynamic", "dynamic-decomposed")
HEADER = (
    f"{'network':<28} {'norm':<4} {'form':<18} {'shape':<11} {'ops':>5} {'steps':>5} {'RBN':>7} {'error':>8} "
    f"{'rbn-f64':>8} {'f32-f64':>8} {'top-1':>6} {'time':>5}"
)
_SCHEMA = 2
_NORM_TITLES = {"bn": "BatchNorm", "rbn": "RBN"}

Key = tuple[str, str, str, tuple[int, ...]]


@dataclass
class Result:
    """One network, norm and form at one shape.

    `error` is rbn against PyTorch's float32. `error_float64` and `pytorch_float64` are rbn's and PyTorch's own distance
    from PyTorch in float64: where the second is as large, the network is at fault and not who runs it.
    """

    network: str
    norm: str
    form: str
    shape: list[int]
    operators: int | None = None
    steps: int | None = None
    rbn_present: int | None = None
    rbn_fused: int | None = None
    error: float | None = None
    error_float64: float | None = None
    pytorch_float64: float | None = None
    top1_agreement: float | None = None
    time_ratio: float | None = None
    passed: bool = False
    message: str = ""
    aten: dict[str, int] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return (self.network, self.norm, self.form, tuple(self.shape))


def relative_error(actual: Sequence[numpy.ndarray], expected: Sequence[numpy.ndarray]) -> float:
    """The largest difference of any output, in units of that output's largest value."""
    return max(float(numpy.abs(a - e).max() / numpy.abs(e).max()) for a, e in zip(actual, expected, strict=True))


def measure(
    result: Result,
    actual: Sequence[numpy.ndarray],
    expected: Sequence[numpy.ndarray],
    truth: Sequence[numpy.ndarray] | None,
    tolerance: float,
) -> None:
    """Fills in the errors, how often the largest class is the same, and whether that passes."""
    if [a.shape for a in actual] != [e.shape for e in expected]:
        raise CommandError(f"shapes {[a.shape for a in actual]}, not {[e.shape for e in expected]}")
    if not all(numpy.isfinite(e).all() and numpy.abs(e).max() > 0 for e in expected):
        raise CommandError("PyTorch's output is zero or not finite: the network is not calibrated")
    result.error = relative_error(actual, expected)
    if truth is not None:
        result.error_float64 = relative_error(actual, truth)
        result.pytorch_float64 = relative_error(expected, truth)
    result.top1_agreement = min(float((a.argmax(1) == e.argmax(1)).mean()) for a, e in zip(actual, expected))
    fused = result.rbn_fused == result.rbn_present
    result.passed = result.error <= tolerance and fused
    if not fused:
        result.message = "not every RBN layer is fused"
    elif not result.passed:
        result.message = f"the error is above {tolerance:g}"


def row(result: Result) -> str:
    def text(value: object, form: str = "") -> str:
        return "-" if value is None else format(value, form)

    shape = "x".join(map(str, result.shape))
    rbn = "-" if not result.rbn_present else f"{result.rbn_fused}/{result.rbn_present}"
    line = f"{result.network:<28} {result.norm:<4} {result.form:<18} {shape:<11} {text(result.operators):>5} "
    line += f"{text(result.steps):>5} {rbn:>7} {text(result.error, '.1e'):>8} {text(result.error_float64, '.1e'):>8} "
    line += f"{text(result.pytorch_float64, '.1e'):>8} {text(result.top1_agreement, '.0%'):>6} "
    line += f"{text(result.time_ratio, '.2f'):>5}"
    message = " ".join(result.message.split())
    return f"{line}  {'pass' if result.passed else 'FAIL'}  {message[:1200]}".rstrip()


def summary(results: Sequence[Result]) -> str:
    failed = sum(not result.passed for result in results)
    worst = max((result.error for result in results if result.error is not None), default=float("nan"))
    names = {result.network for result in results}
    return f"{len(names)} networks, {len(results)} comparisons, {failed} failed, largest error {worst:.1e}"


def read(path: Path) -> list[Result]:
    """The results of earlier runs; none where there is no such file."""
    if not path.exists():
        return []
    document = json.loads(path.read_text(encoding="utf-8"))
    if document.get("schema_version") != _SCHEMA:
        raise SystemExit(f"{path} has not schema version {_SCHEMA}: remove it, or name another file")
    return [Result(**entry) for entry in document["results"]]


def write(path: Path, results: Iterable[Result], tolerance: float) -> None:
    """Writes all results by way of a temporary name, so that a run that is stopped leaves a whole file."""
    document = {"schema_version": _SCHEMA, "tolerance": tolerance, "results": [asdict(r) for r in results]}
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def _form(form: str, results: Sequence[Result]) -> str:
    """A form's name, with its norm where it was compared with one norm of two."""
    norms = {r.norm for r in results}
    present = {r.norm for r in results if r.form == form}
    return form if present == norms else f"{form} ({', '.join(_NORM_TITLES[norm] for norm in sorted(present))})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def table(results: Sequence[Result]) -> str:
    """The table of networks for people: one row a network; times where some were measured."""
    titles = ["network", "norms", "exports", "operators → steps", "largest error"]
    with_times = any(result.time_ratio is not None for result in results)
    titles += ["time, PyTorch ÷ rbn"] if with_times else []
    rows = [_line(titles), "|---" * len(titles) + "|"]
    for name in dict.fromkeys(result.network for result in results):
        mine = [result for result in results if result.network == name and result.passed]
        if not mine:
            continue
        norms = ", ".join(label for norm, label in _NORM_TITLES.items() if any(r.norm == norm for r in mine))
        if not any(r.norm == "rbn" for r in mine):
            norms = "as published"
        forms = ", ".join(_form(form, mine) for form in FORMS if any(r.form == form for r in mine))
        counts = ", ".join(
            f"{r.operators} → {r.steps}" for r in mine if r.form == "default" and r.operators is not None
        )
        error = max(r.error for r in mine if r.error is not None)
        cells = [name, norms, forms, counts, f"{error:.0e}"]
        if with_times:
            cells.append(", ".join(f"{r.time_ratio:.2f}" for r in mine if r.time_ratio is not None) or "–")
        rows.append(_line(cells))
    return "\n".join(rows) + "\n"


def write_table(path: Path, results: Sequence[Result]) -> None:
    """Replaces the table between the article's two marks."""
    begin, end = "<!-- begin: tools/zoo.py -->\n", "<!-- end: tools/zoo.py -->"
    article = path.read_text(encoding="utf-8")
    head, found, rest = article.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{path} has not the marks {begin.strip()} and {end}")
    path.write_text(head + begin + table(results) + end + tail, encoding="utf-8")
