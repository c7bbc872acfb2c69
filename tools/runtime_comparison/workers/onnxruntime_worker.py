"""ONNX Runtime."""

import numpy
import onnxruntime
from protocol import Run, serve


def load(model: str, threads: int) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(x: numpy.ndarray) -> numpy.ndarray:
        return session.run(None, {name: x})[0]

    return run


serve(load)
