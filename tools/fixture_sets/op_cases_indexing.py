"""The cases of `ops` that reduce further, sort, repeat, shuffle and index, and constants."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fixture_sets.op_cases import Case, normal, specials


def reductions_further() -> list[Case]:
    def over(name: str, target: str, x: Tensor, truth: bool = True, outputs: int = 1, **arguments: Any) -> Case:
        return Case(name, f"aten.{target}", {"self": x} | arguments, truth, outputs)

    image = normal(2, 3, 5, 4)
    return [
        over("sum/radix", "sum.dim_IntList", normal(2, 2, 3, 4, 5), dim=[1]),
        over("sum/all", "sum.default", normal(2, 3, 4)),
        over("mean/tokens", "mean.dim", normal(2, 7, 5), dim=[1]),
        over("amax/image", "amax.default", image, False, dim=[2, 3]),
        over("amax/all", "amax.default", image, False),
        over("amin/channels-keepdim", "amin.default", image, False, dim=[1], keepdim=True),
        over("amax/special", "amax.default", specials(), False, dim=[3]),
        over("max/dim", "max.dim", image, False, 2, dim=1),
        over("min/dim-keepdim", "min.dim", normal(4, 6), False, 2, dim=-1, keepdim=True),
        over("argmax/channels", "argmax.default", image, False, dim=1),
        over("argmax/last-keepdim", "argmax.default", normal(3, 9), False, dim=-1, keepdim=True),
        over("argmax/all", "argmax.default", image, False),
        over("argmax/ties", "argmax.default", torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]), False, dim=1),
        over("argmin", "argmin.default", image, False, dim=2),
        over("prod", "prod.dim_int", normal(2, 4, 3), dim=1),
        over("var/unbiased", "var.correction", normal(2, 3, 6, mean=5), dim=[2], correction=1),
        over("var/biased-image", "var.correction", image, dim=[1, 2, 3], correction=0, keepdim=True),
        over("std", "std.correction", normal(3, 8), dim=[0], correction=1),
        over("var_mean", "var_mean.correction", normal(2, 3, 7), True, 2, dim=[1, 2], correction=0),
        over("logsumexp", "logsumexp.default", normal(3, 7, deviation=20), dim=[1]),
        over("norm/two", "linalg_vector_norm.default", normal(2, 3, 4), dim=[1], keepdim=True),
        over("norm/one", "linalg_vector_norm.default", normal(2, 3, 4), ord=1, dim=[2]),
        over("topk/largest", "topk.default", normal(3, 11), False, 2, k=4),
        over("topk/smallest-channels", "topk.default", image, False, 2, k=2, dim=1, largest=False),
        over("sort", "sort.default", normal(2, 7), False, 2, descending=True),
        over("cumsum", "cumsum.default", normal(2, 5, 3), dim=1),
        over("log_softmax/last", "log_softmax.int", normal(3, 10, deviation=4), dim=-1),
        over("log_softmax/channels", "log_softmax.int", image, dim=1),
        over("log_softmax/decomposed", "_log_softmax.default", normal(2, 7), dim=1, half_to_float=False),
    ]


def rearrangements() -> list[Case]:
    x, image = normal(2, 3, 4, 5), normal(1, 8, 3, 4)

    def moved(name: str, target: str, arguments: dict[str, Any]) -> Case:
        return Case(name, f"aten.{target}", arguments, truth=False)

    index = torch.tensor([[2, 0], [1, -1]])
    return [
        moved("roll/two", "roll.default", {"self": x, "shifts": [1, -2], "dims": [2, 3]}),
        moved("roll/flattened", "roll.default", {"self": x, "shifts": [7]}),
        moved("flip", "flip.default", {"self": x, "dims": [1, -1]}),
        moved("stack", "stack.default", {"tensors": [x, x + 1, x - 1], "dim": 2}),
        moved("repeat", "repeat.default", {"self": normal(2, 1, 3), "repeats": [2, 1, 3, 2]}),
        moved("repeat_interleave", "repeat_interleave.self_int", {"self": normal(2, 3, 2), "repeats": 3, "dim": 1}),
        moved("pixel_shuffle", "pixel_shuffle.default", {"self": image, "upscale_factor": 2}),
        moved("pixel_unshuffle", "pixel_unshuffle.default", {"self": normal(1, 3, 4, 6), "downscale_factor": 2}),
        moved("channel_shuffle", "channel_shuffle.default", {"self": image, "groups": 2}),
        moved("channel_shuffle/decomposed", "native_channel_shuffle.default", {"self": image, "groups": 4}),
        moved("index_select", "index_select.default", {"self": x, "dim": 2, "index": torch.tensor([3, 0, 3])}),
        moved("index/one", "index.Tensor", {"self": x, "indices": [None, index]}),
        moved("index/two", "index.Tensor", {"self": x, "indices": [None, torch.tensor([2, 0, -1]), torch.tensor([0, 3, 1])]}),
        moved("embedding", "embedding.default", {"weight": normal(7, 5), "indices": torch.tensor([[1, 6], [0, 1]])}),
        moved("squeeze/all", "squeeze.default", {"self": normal(1, 3, 1, 2)}),
        moved("unflatten", "unflatten.int", {"self": x, "dim": 2, "sizes": [2, -1]}),
        moved("movedim", "movedim.int", {"self": x, "source": 1, "destination": -1}),
        moved("narrow", "narrow.default", {"self": x, "dim": 3, "start": 1, "length": 3}),
        moved("select", "select.int", {"self": x, "dim": 1, "index": -1}),
        moved("slice_scatter", "slice_scatter.default", {"self": x, "src": normal(2, 3, 2, 5), "dim": 2, "start": 1, "end": 3}),
        moved("pad/reflect", "pad.default", {"self": x, "pad": [2, 1, 1, 3], "mode": "reflect"}),
        moved("pad/replicate", "pad.default", {"self": x, "pad": [2, 3, 0, 1], "mode": "replicate"}),
        moved("pad/circular", "pad.default", {"self": x, "pad": [1, 2, 3, 0], "mode": "circular"}),
        moved("reflection_pad1d", "reflection_pad1d.default", {"self": normal(2, 3, 5), "padding": [2, 4]}),
        moved("permute/channels-last-and-back", "permute.default", {"self": normal(2, 4, 5, 3), "dims": [0, 3, 1, 2]}),
        moved("permute/heads", "permute.default", {"self": normal(2, 5, 3, 2, 4), "dims": [2, 0, 3, 1, 4]}),
        moved("zeros_like", "zeros_like.default", {"self": x}),
        moved("full_like", "full_like.default", {"self": x, "fill_value": 2.5}),
        moved("to/integer", "_to_copy.default", {"self": normal(3, 4, deviation=5), "dtype": torch.int64}),
        moved("to/bool", "_to_copy.default", {"self": torch.tensor([0.0, 2.0, -1.0, 0.5]), "dtype": torch.bool}),
    ]
