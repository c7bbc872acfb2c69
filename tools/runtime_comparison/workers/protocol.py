"""What all workers have in common: arguments, the first answer, and turns on request.

A worker loads a model, writes the outputs for one input, and says `ready`. Then each line on its standard input is a
number of calls to make; it answers with their times in milliseconds, as a JSON array. With `--once` it ends after the
first answer.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Callable

import numpy

Run = Callable[[numpy.ndarray], numpy.ndarray]


def serve(load: Callable[[str, int], Run]) -> None:
    """The main function of a worker: `MODEL INPUT OUTPUT THREADS [--once]`."""
    model, source, target, threads = sys.argv[1:5]
    x = numpy.load(source)
    run = load(model, int(threads))
    numpy.save(target, run(x))
    if "--once" in sys.argv[5:]:
        return
    say("ready")
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run(x)
            times.append((time.perf_counter() - start) * 1e3)
        say(times)


def say(value: Any) -> None:
    print(json.dumps(value), flush=True)
