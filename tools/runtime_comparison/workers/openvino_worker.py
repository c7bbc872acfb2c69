"""OpenVINO."""

import numpy
import openvino
from protocol import Run, serve


def load(model: str, threads: int) -> Run:
    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = openvino.Core().compile_model(model, "CPU", properties).create_infer_request()

    def run(x: numpy.ndarray) -> numpy.ndarray:
        return request.infer([x], share_inputs=True, share_outputs=True)[0]

    return run


serve(load)
