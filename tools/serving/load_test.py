#!/usr/bin/env python3
"""Loads rbn-server with wrk: what batching gains, what HTTP costs, how the server fares at twice what it can do, and while
its model is swapped."""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from server import MODELS as FILES
from server import Server, executable, get, metric

TOOLS = Path(__file__).resolve().parent
MODELS = {Path(name).stem: source for name, source in FILES.items()}
ERRORS = ("connect", "read", "write", "timeout")
SHAPES = {"digits": (1, 1, 8, 8), "efficientnet-lite0": (1, 3, 224, 224)}


def write_request(server: Server, name: str, shape: tuple[int, ...]) -> int:
    """Writes the body of a request with one image, and gives the length of its JSON part."""
    image = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    metadata = json.loads(get(f"{server.url}/v2/models/{name}"))
    document = json.dumps(
        {
            "parameters": {"binary_data_output": True},
            "inputs": [
                {
                    "name": metadata["inputs"][0]["name"],
                    "datatype": "FP32",
                    "shape": list(shape),
                    "parameters": {"binary_data_size": image.nbytes},
                }
            ],
        }
    ).encode()
    (server.folder / "request").write_bytes(document + image.tobytes())
    return len(document)


def wrk(server: Server, name: str, length: int, connections: int, seconds: float, period: float = 0) -> dict:
    """Runs wrk, and gives what it counted."""
    threads = min(connections, 2)
    output = subprocess.run(
        ["wrk", "--threads", str(threads), "--connections", str(connections), "--duration", f"{seconds:.0f}s"]
        + ["--timeout", "30s", "--script", str(TOOLS / "infer.lua"), f"{server.url}/v2/models/{name}/infer", "--"]
        + [str(server.folder / "request"), str(length), f"{period * 1000:.0f}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    result = json.loads(line.removeprefix("RESULT "))
    result["rate"] = result["statuses"].get("200", 0) / result["seconds"]
    return result


class Liveness(threading.Thread):
    """Asks whether the server lives, over and over, on one connection."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server = server
        self.times: list[float] = []
        self.memory: list[tuple[float, int]] = []
        self.done = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection("localhost", self.server.port, timeout=30)
        begin = time.monotonic()
        while not self.done.wait(0.02):
            start = time.perf_counter()
            connection.request("GET", "/v2/health/live")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            self.times.append((time.perf_counter() - start) * 1000)
            if len(self.times) % 25 == 0:
                self.memory.append((time.monotonic() - begin, self.server.resident_bytes()))


def bench(source: Path, shape: tuple[int, ...], seconds: float) -> float:
    """The median time of a call without a server, by `rbn bench`, in milliseconds."""
    output = subprocess.run(
        [executable().with_name("rbn"), "bench", source, "--json", "--seconds", f"{seconds:g}"]
        + ["--size", f"{shape[2]}x{shape[3]}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return json.loads(output)["bench"]["latency"]["median"]


def batch_rows(server: Server) -> np.ndarray:
    """The rows of all batches so far, and the number of batches."""
    text = get(f"{server.url}/metrics")
    return np.array([metric(text, "rbn_batch_rows_sum"), metric(text, "rbn_batch_rows_count")])


def batching(name: str, source: Path, shape: tuple[int, ...], seconds: float, rounds: int) -> dict:
    """The throughput of 16 clients with batches and without, and the latency of one beside that without a server, in turns."""
    rates: dict[str, list[float]] = {"together": [], "apart": []}
    options = {"together": ["--largest-batch", "16"], "apart": ["--largest-batch", "1"]}
    alone, without_server = [], []
    # The rows of the batches that 16 clients made, and the number of those batches.
    batches = np.zeros(2)
    models = {f"{name}{source.suffix}": source}
    with Server(*options["together"], models=models) as together, Server(*options["apart"], models=models) as apart:
        servers = {"together": together, "apart": apart}
        lengths = {kind: write_request(server, name, shape) for kind, server in servers.items()}
        for kind, server in servers.items():
            wrk(server, name, lengths[kind], 16, 2)
        for _ in range(rounds):
            for kind, server in servers.items():
                before = batch_rows(together)
                rates[kind].append(wrk(server, name, lengths[kind], 16, seconds)["rate"])
                batches += batch_rows(together) - before
            alone.append(wrk(together, name, lengths["together"], 1, seconds)["p50"])
            without_server.append(bench(source, shape, seconds))
    return {
        "rates": rates,
        "rate": float(np.median(rates["together"])),
        "gain": float(np.median(np.array(rates["together"]) / np.array(rates["apart"]))),
        "mean_batch": float(batches[0] / max(batches[1], 1)),
        "median_ms": float(np.median(alone)),
        "bench_median_ms": float(np.median(without_server)),
        "cost_of_http": float(np.median(np.array(alone) / np.array(without_server))),
    }


def overload(name: str, source: Path, shape: tuple[int, ...], rate: float, seconds: float, limit: float) -> dict:
    """Twice the rate that the server can serve, for a while, each request with a deadline of `limit` seconds."""
    # Each connection sends every few seconds, whether its last answer was quick or slow.
    period = 2 * limit
    connections = max(int(np.ceil(2 * rate * period)), 16)
    options = ["--request-time", str(limit), "--max-queue", str(max(int(rate * limit / 2), 8))]
    options += ["--max-connections", str(connections + 16)]
    with Server(*options, models={f"{name}{source.suffix}": source}) as server:
        length = write_request(server, name, shape)
        liveness = Liveness(server)
        liveness.start()
        result = wrk(server, name, length, connections, seconds, period)
        liveness.done.set()
        liveness.join()
        time.sleep(1)
        alive = json.loads(get(f"{server.url}/v2/health/live"))["live"]
        status = server.stop()
    times = np.array(liveness.times)
    # The first quarter is warm-up.
    warm = [size for moment, size in liveness.memory if moment > seconds / 4]
    middle = len(warm) // 2
    before, after = float(np.median(warm[:middle])), float(np.median(warm[middle:]))
    return {
        **result,
        "offered_rate": sum(result["statuses"].values()) / result["seconds"],
        "connections": connections,
        "alive": alive,
        "exit_status": status,
        "live_p50_ms": float(np.percentile(times, 50)),
        "live_p99_ms": float(np.percentile(times, 99)),
        "live_max_ms": float(times.max()),
        "live_samples": len(times),
        "resident_bytes": after,
        "memory_growth": after / before - 1,
    }


def swap(name: str, source: Path, shape: tuple[int, ...], swaps: int) -> dict:
    """A model whose file is replaced again and again while 16 clients ask for it."""
    file = f"{name}{source.suffix}"
    with Server("--poll-interval", "0.5", models={file: source}) as server:
        length = write_request(server, name, shape)

        wrk(server, name, length, 16, 3)
        before = server.resident_bytes()
        results: list[dict] = []
        done = threading.Event()

        def load() -> None:
            while not done.is_set():
                results.append(wrk(server, name, length, 16, 2))

        clients = threading.Thread(target=load, daemon=True)
        clients.start()
        peak = before
        for count in range(1, swaps + 1):
            server.put(source, file)
            end = time.monotonic() + 60
            while server.loaded < 1 + count and time.monotonic() < end:
                server.events()
                peak = max(peak, server.resident_bytes())
                time.sleep(0.02)
        done.set()
        clients.join()
        time.sleep(3)
        return {
            "swaps": server.loaded - 1,
            "statuses": sums([result["statuses"] for result in results]),
            "errors": sum(sum(result[key] for key in ERRORS) for result in results),
            "resident_bytes_before": before,
            "resident_bytes_peak": peak,
            "resident_bytes_after": server.resident_bytes(),
            "exit_status": server.stop(),
        }


def sums(counts: list[dict[str, int]]) -> dict[str, int]:
    return {key: sum(count.get(key, 0) for count in counts) for key in {key for count in counts for key in count}}


class Report:
    """Figures beside what they must be."""

    def __init__(self) -> None:
        self.lines: list[tuple[bool, str]] = []

    def add(self, is_right: bool, text: str) -> None:
        self.lines.append((bool(is_right), text))
        print(f"{'right' if is_right else 'WRONG'}  {text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="efficientnet-lite0", choices=sorted(MODELS), help="one of the fixtures")
    parser.add_argument("--file", type=Path, help="another model file, with --shape")
    parser.add_argument("--shape", help="the shape of its input, such as 1,3,224,224")
    parser.add_argument("--part", choices=["batching", "overload", "swap"], help="only one part; default: all")
    parser.add_argument("--rate", type=float, help="images a second that the server can do; default: as measured")
    parser.add_argument("--seconds", type=float, default=60, help="the time of the overload; default: 60")
    parser.add_argument("--deadline", type=float, default=1, help="of each request, in seconds; default: 1")
    parser.add_argument("--turn", type=float, default=4, help="seconds of each measurement of batching; default: 4")
    parser.add_argument("--rounds", type=int, default=5, help="of those measurements, in turns; default: 5")
    parser.add_argument("--swaps", type=int, default=8, help="how often the model is swapped; default: 8")
    parser.add_argument("--json", type=Path, help="a file to write all figures to")
    arguments = parser.parse_args()
    name = arguments.file.stem if arguments.file else arguments.model
    source = arguments.file or MODELS[arguments.model]
    shape = tuple(int(size) for size in arguments.shape.split(",")) if arguments.shape else SHAPES[arguments.model]
    parts = [arguments.part] if arguments.part else ["batching", "overload", "swap"]
    figures: dict[str, object] = {"schema_version": 1, "model": name, "shape": shape}
    report = Report()
    rate = arguments.rate

    if "batching" in parts:
        gain = figures["batching"] = batching(name, source, shape, arguments.turn, arguments.rounds)
        rate = rate or gain["rate"]
        print(f"{name} {shape}, 16 clients: {gain['rate']:.1f} images/s in batches of {gain['mean_batch']:.1f}")
        report.add(gain["gain"] >= 1.3, f"{gain['gain']:.2f} times the throughput of one by one; at least 1.3")
        report.add(
            gain["cost_of_http"] <= 1.1,
            f"{gain['cost_of_http']:.3f} times the latency of rbn bench, with one client; at most 1.1: "
            f"{gain['median_ms']:.2f} ms, {gain['bench_median_ms']:.2f} ms",
        )
    if "overload" in parts:
        if rate is None:
            parser.error("--part overload needs --rate")
        load = figures["overload"] = overload(name, source, shape, rate, arguments.seconds, arguments.deadline)
        statuses = load["statuses"]
        print(f"{load['seconds']:.0f} s at {load['offered_rate']:.1f} requests/s, {load['connections']} clients:")
        report.add(load["alive"] and load["exit_status"] == 0, "alive at the end, and exit status 0 after SIGTERM")
        report.add(
            set(statuses) <= {"200", "503"} and not any(load[key] for key in ERRORS),
            f"answered {statuses.get('200', 0)}, refused with 503 {statuses.get('503', 0)}, nothing else: "
            f"{statuses}, {({key: load[key] for key in ERRORS})}",
        )
        limit = arguments.deadline * 1000
        report.add(
            load["max"] <= limit,
            f"answers after {load['p50']:.0f} ms, p99 {load['p99']:.0f} ms, at most {load['max']:.0f} ms; "
            f"the deadline is {limit:.0f} ms",
        )
        report.add(
            load["memory_growth"] < 0.05,
            f"{load['resident_bytes'] / 2**20:.0f} MiB resident, {100 * load['memory_growth']:.1f} % more than before",
        )
        report.add(
            load["live_p99_ms"] <= 20,
            f"/v2/health/live after {load['live_p50_ms']:.1f} ms, p99 {load['live_p99_ms']:.1f} ms, "
            f"at most {load['live_max_ms']:.1f} ms, {load['live_samples']} times; p99 at most 20 ms",
        )
    if "swap" in parts:
        swapped = figures["swap"] = swap(name, source, shape, arguments.swaps)
        mebibytes = {key: swapped[f"resident_bytes_{key}"] / 2**20 for key in ("before", "peak", "after")}
        report.add(swapped["swaps"] == arguments.swaps, f"{swapped['swaps']} swaps under load")
        report.add(
            set(swapped["statuses"]) == {"200"} and not swapped["errors"],
            f"answers by status {swapped['statuses']}, {swapped['errors']} errors of connections",
        )
        report.add(
            mebibytes["after"] <= 1.1 * mebibytes["before"] + 8,
            f"{mebibytes['before']:.0f} MiB resident before, {mebibytes['peak']:.0f} MiB at most, "
            f"{mebibytes['after']:.0f} MiB after",
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0 if all(is_right for is_right, _ in report.lines) else 1


if __name__ == "__main__":
    sys.exit(main())
