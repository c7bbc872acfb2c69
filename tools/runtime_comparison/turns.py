"""Runs one worker process for each runtime and network, and gives them turns."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Sequence

from runtime_comparison.cases import OURS, SIZE, Exported

WORKERS = Path(__file__).resolve().parent / "workers"
SCRIPTS = {
    "onnxruntime": "onnxruntime_worker.py",
    "openvino": "openvino_worker.py",
    "torch.compile": "torch_compile_worker.py",
    "torch": "torch_worker.py",
    "ncnn": "ncnn_worker.py",
}
# The first answer of a worker may wait for a compiler.
START_SECONDS = 1200
TURN_SECONDS = 600


class WorkerError(Exception):
    """A worker that ended, or did not answer."""


def environment(threads: int, cache: Path) -> dict[str, str]:
    """The environment variables of every process that is measured."""
    variables = dict(os.environ)
    variables.update(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), PYTHONDONTWRITEBYTECODE="")
    variables["TORCHINDUCTOR_CACHE_DIR"] = str(cache)
    return variables


def processors(threads: int) -> set[int]:
    """The processors that every process is held to: as many as threads, where there are so many."""
    return set(sorted(os.sched_getaffinity(0))[:threads])


def answer_command(rbn: Path, runtime: str, model: Path, exported: Exported, output: Path, threads: int) -> list[str]:
    """The command that loads a model, answers one input and ends."""
    if runtime == OURS:
        words = [rbn, "run", model, "--input", exported.input, "--output", output, "--threads", threads]
    else:
        words = [sys.executable, WORKERS / SCRIPTS[runtime], model, exported.input, output, threads, "--once"]
    return [str(word) for word in words]


def answer_once(command: Sequence[str], variables: dict[str, str]) -> None:
    """Runs a command that writes one answer."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    except OSError as error:
        raise WorkerError(f"{command[0]} can't be run: {error.strerror}") from error
    if result.returncode != 0:
        raise WorkerError(f"{' '.join(command)}: {result.stderr.strip()}")


class Interference:
    """How much of the processors other processes took during turns, from the kernel's counts."""

    def __init__(self, held: set[int]) -> None:
        self._names = {f"cpu{number}" for number in held}
        self._tick = os.sysconf("SC_CLK_TCK")
        self._start = (0.0, 0.0, 0.0)
        self._available = 0.0
        self._foreign = 0.0

    def begin(self, pid: int) -> None:
        self._start = self._sample(pid)

    def end(self, pid: int) -> None:
        busy, own, now = (after - before for before, after in zip(self._start, self._sample(pid)))
        self._available += now * len(self._names)
        self._foreign += max(busy - own, 0)

    @property
    def share(self) -> float:
        return self._foreign / self._available if self._available else 0

    def _sample(self, pid: int) -> tuple[float, float, float]:
        """Seconds that the processors were busy, seconds of the process, and the time."""
        busy = 0
        for line in Path("/proc/stat").read_text(encoding="utf-8").splitlines():
            name, *counts = line.split()
            if name in self._names:
                # user, nice, system; interrupts, soft interrupts, stolen by the host: all but idle and waiting.
                busy += sum(map(int, counts[:3])) + sum(map(int, counts[5:8]))
        # The name, in parentheses, may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        own = int(fields[11]) + int(fields[12])
        return busy / self._tick, own / self._tick, time.perf_counter()


class Worker:
    """A process with one model loaded, stopped (SIGSTOP) whenever it is not its turn."""

    def __init__(self, rbn: Path, runtime: str, exported: Exported, threads: int, folder: Path) -> None:
        self.runtime = runtime
        self.variant = exported.variant
        self.output = folder / f"{runtime}-{exported.variant}.npy"
        self.times: list[list[float]] = []
        # Why it takes no more turns.
        self.error: str | None = None
        self._log = folder / f"{runtime}-{exported.variant}.log"
        variables, held = environment(threads, exported.folder / "inductor"), processors(threads)
        once = answer_command(rbn, runtime, exported.model(runtime), exported, self.output, threads)
        if runtime == OURS:
            answer_once(once, variables)
            # Without the shape a model whose sizes are free would be measured on one image.
            shape = ["--batch", str(exported.batch), "--size", str(SIZE)]
            command = [str(rbn), "bench", once[2], *shape, "--threads", str(threads), "--interactive"]
        else:
            command = once[:-1]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=variables,
                bufsize=0, preexec_fn=lambda: os.sched_setaffinity(0, held),
            )
        self._pid = self._process.pid
        try:
            if runtime == OURS:
                self._ask(1, START_SECONDS)
            else:
                self._answer(START_SECONDS)
            os.kill(self._pid, signal.SIGSTOP)
        except BaseException:
            self.close()
            raise

    def turn(self, warm_up: int, count: int, interference: Interference) -> None:
        """Makes `warm_up` calls that don't count and `count` calls that do."""
        os.kill(self._pid, signal.SIGCONT)
        self._ask(warm_up, TURN_SECONDS)
        interference.begin(self._pid)
        self.times.append(self._ask(count, TURN_SECONDS))
        interference.end(self._pid)
        os.kill(self._pid, signal.SIGSTOP)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _ask(self, count: int, seconds: float) -> list[float]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{count}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail("ended")
        return self._answer(seconds)

    def _answer(self, seconds: float) -> list[float]:
        """The next line that is JSON; libraries may print others."""
        assert self._process.stdout is not None
        while True:
            if not select.select([self._process.stdout], [], [], seconds)[0]:
                self._fail(f"gave no answer within {seconds:.0f} s")
            line = self._process.stdout.readline()
            if not line:
                self._fail("ended")
            try:
                return json.loads(line)
            except ValueError:
                continue

    def _fail(self, what: str) -> None:
        tail = self._log.read_text(errors="replace").strip().splitlines()[-8:]
        raise WorkerError("\n".join([f"{self.runtime} ({self.variant}) {what}", *tail]))


def interleave(workers: Sequence[Worker], rounds: int, warm_up: int, count: int, threads: int) -> float:
    """Gives every worker a turn in every round, in an order that moves by one from round to round.

    A worker that fails has its error noted, and no more turns. Returns the share of the processors' time that other
    processes took during the turns.
    """
    interference = Interference(processors(threads))
    for index in range(rounds):
        working = [worker for worker in workers if worker.error is None]
        first = index % max(len(working), 1)
        for worker in [*working[first:], *working[:first]]:
            try:
                worker.turn(warm_up, count, interference)
            except WorkerError as error:
                worker.error = str(error)
                worker.close()
    return interference.share
