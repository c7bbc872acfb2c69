"""ncnn, in float32. It takes one image a call: a batch is so many calls."""

import ncnn
import numpy
from protocol import Run, serve


def load(model: str, threads: int) -> Run:
    network = ncnn.Net()
    network.opt.num_threads = threads
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage", "bf16_packed"):
        if hasattr(network.opt, f"use_{option}"):
            setattr(network.opt, f"use_{option}", False)
    network.load_param(model)
    network.load_model(model.removesuffix(".param") + ".bin")

    def run(x: numpy.ndarray) -> numpy.ndarray:
        rows = []
        for image in x:
            extractor = network.create_extractor()
            extractor.input("in0", ncnn.Mat(image))
            rows.append(numpy.array(extractor.extract("out0")[1]))
        return numpy.stack(rows)

    return run


serve(load)
