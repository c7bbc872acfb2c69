"""The cases of `ops`: one line each. Sizes are small, odd, and around the edges of windows and strides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

generator = torch.Generator()


@dataclass(frozen=True)
class Case:
    """One call of an operator. Arguments left out take the schema's defaults."""

    name: str
    target: str
    arguments: dict[str, Any]
    truth: bool = True
    outputs: int = 1


def normal(*shape: int, mean: float = 0.0, deviation: float = 1.0) -> Tensor:
    return mean + deviation * torch.randn(shape, generator=generator)


def positive(*shape: int) -> Tensor:
    return 0.25 + torch.rand(shape, generator=generator)


def specials() -> Tensor:
    """Infinities, NaN, zeros of both signs, subnormals, and numbers where exponentials overflow or vanish."""
    values = [math.inf, -math.inf, math.nan, 0.0, -0.0, 1e-42, -1e-42, 1e-20, 0.5, -0.5, 1, -1, 3, -3, 6, -6]
    values += [5.999999, 6.000001, 2.9999998, -2.9999998, 20, -20, 87, -87, 88.5, -88.5, 104, -104, 3e38, -3e38]
    return torch.tensor(values + [2.0, -2.0]).view(1, 2, 4, 4)


def with_holes(*shape: int) -> Tensor:
    """Random values with NaN and infinities strewn in."""
    value = normal(*shape)
    flat = value.view(-1)
    flat[3], flat[11], flat[20], flat[29] = math.nan, math.inf, -math.inf, math.nan
    return value


def convolutions() -> list[Case]:
    def conv(name: str, x: Tensor, weight: Tensor, bias: bool = False, **arguments: Any) -> Case:
        given = {"input": x, "weight": weight, "bias": normal(weight.shape[0]) if bias else None}
        return Case(f"conv2d/{name}", "aten.conv2d.default", given | arguments)

    return [
        conv("1x1", normal(2, 5, 4, 6), normal(7, 5, 1, 1)),
        conv("1x1-bias-stride-2", normal(1, 8, 7, 6), normal(9, 8, 1, 1), True, stride=[2, 2]),
        conv("1x1-padded", normal(1, 4, 3, 3), normal(5, 4, 1, 1), True, padding=[1, 1]),
        conv("3x3", normal(2, 3, 6, 7), normal(4, 3, 3, 3)),
        conv("3x3-same", normal(2, 6, 7, 5), normal(8, 6, 3, 3), padding=[1, 1]),
        conv("3x3-same-bias", normal(1, 16, 9, 9), normal(17, 16, 3, 3), True, padding=[1, 1]),
        conv("3x3-stride-2", normal(1, 5, 9, 8), normal(6, 5, 3, 3), stride=[2, 2], padding=[1, 1]),
        conv("3x3-stride-2-no-padding", normal(1, 5, 8, 8), normal(6, 5, 3, 3), stride=[2, 2]),
        conv("3x3-stride-1-2", normal(1, 3, 8, 8), normal(4, 3, 3, 3), stride=[1, 2], padding=[0, 1]),
        conv("3x3-dilated", normal(1, 4, 9, 8), normal(4, 4, 3, 3), padding=[2, 2], dilation=[2, 2]),
        conv("3x3-dilated-1-3", normal(1, 2, 7, 11), normal(3, 2, 3, 3), padding=[1, 3], dilation=[1, 3]),
        conv("3x3-image-smaller-than-kernel", normal(1, 3, 1, 2), normal(4, 3, 3, 3), padding=[1, 1]),
        conv("3x3-one-pixel", normal(2, 4, 1, 1), normal(4, 4, 3, 3), padding=[1, 1]),
        conv("5x5-wide-padding", normal(1, 3, 4, 4), normal(3, 3, 5, 5), True, padding=[4, 3]),
        conv("7x7-stem", normal(1, 3, 17, 19), normal(8, 3, 7, 7), stride=[2, 2], padding=[3, 3]),
        conv("1x7", normal(1, 4, 5, 9), normal(3, 4, 1, 7), padding=[0, 3]),
        conv("7x1-stride-3", normal(1, 4, 10, 5), normal(3, 4, 7, 1), stride=[3, 1], padding=[3, 0]),
        conv("2x2-even-kernel", normal(1, 3, 6, 5), normal(4, 3, 2, 2), stride=[2, 2]),
        conv("4x4-patches", normal(1, 3, 8, 12), normal(8, 3, 4, 4), True, stride=[4, 4]),
        conv("grouped", normal(2, 8, 6, 5), normal(12, 2, 3, 3), padding=[1, 1], groups=4),
        conv("grouped-1x1", normal(1, 12, 5, 3), normal(6, 4, 1, 1), True, groups=3),
        conv("grouped-stride-2", normal(1, 32, 7, 7), normal(32, 4, 3, 3), stride=[2, 2], padding=[1, 1], groups=8),
        conv("depthwise", normal(2, 7, 6, 9), normal(7, 1, 3, 3), padding=[1, 1], groups=7),
        conv("depthwise-stride-2", normal(1, 16, 9, 9), normal(16, 1, 3, 3), True, stride=[2, 2], padding=[1, 1], groups=16),
        conv("depthwise-5x5", normal(1, 9, 7, 8), normal(9, 1, 5, 5), True, padding=[2, 2], groups=9),
        conv("depthwise-dilated", normal(1, 5, 9, 9), normal(5, 1, 3, 3), padding=[2, 2], dilation=[2, 2], groups=5),
        conv("depthwise-multiplier", normal(1, 4, 6, 6), normal(8, 1, 3, 3), padding=[1, 1], groups=4),
        conv("many-channels", normal(1, 70, 3, 4), normal(67, 70, 1, 1), True),
        conv("deep-3x3", normal(1, 33, 4, 4), normal(19, 33, 3, 3), padding=[1, 1]),
        Case("conv2d/padding-same", "aten.conv2d.padding",
             {"input": normal(1, 3, 6, 5), "weight": normal(4, 3, 4, 3), "bias": normal(4), "padding": "same"}),
        Case("conv2d/padding-valid", "aten.conv2d.padding",
             {"input": normal(1, 3, 6, 5), "weight": normal(4, 3, 3, 3), "padding": "valid", "stride": [2, 1]}),
        Case("convolution", "aten.convolution.default",
             {"input": normal(1, 4, 5, 6), "weight": normal(6, 2, 3, 3), "bias": normal(6), "stride": [2, 1],
              "padding": [1, 0], "dilation": [1, 2], "transposed": False, "output_padding": [0, 0], "groups": 2}),
    ]


def normalisations() -> list[Case]:
    def norm(name: str, x: Tensor, affine: bool, statistics: bool, eps: float = 1e-5) -> Case:
        c = x.shape[1]
        return Case(f"batch_norm/{name}", "aten.batch_norm.default", {
            "input": x, "weight": normal(c) if affine else None, "bias": normal(c) if affine else None,
            "running_mean": normal(c) if statistics else None, "running_var": positive(c) if statistics else None,
            "training": not statistics, "momentum": 0.1, "eps": eps, "cudnn_enabled": True})

    x = normal(2, 5, 4, 3)
    decomposed = {"input": x, "weight": normal(5), "bias": normal(5), "running_mean": normal(5),
                  "running_var": positive(5), "momentum": 0.1, "eps": 1e-3}
    return [
        norm("affine", normal(2, 6, 5, 4), True, True),
        norm("plain", normal(2, 6, 5, 4), False, True),
        norm("eps-1e-3", normal(1, 3, 4, 4, deviation=0.05), True, True, 1e-3),
        norm("two-dimensional", normal(4, 7), True, True),
        norm("batch-statistics", normal(3, 5, 4, 4, mean=2), True, False),
        norm("batch-statistics-plain", normal(2, 5, 3, 7), False, False),
        Case("batch_norm/decomposed", "aten._native_batch_norm_legit_no_training.default", decomposed),
        Case("linear/bias", "aten.linear.default", {"input": normal(3, 17), "weight": normal(10, 17), "bias": normal(10)}),
        Case("linear/no-bias", "aten.linear.default", {"input": normal(1, 33), "weight": normal(5, 33)}),
        Case("linear/three-dimensional", "aten.linear.default",
             {"input": normal(2, 3, 8), "weight": normal(4, 8), "bias": normal(4)}),
        Case("addmm", "aten.addmm.default", {"self": normal(6), "mat1": normal(2, 9), "mat2": normal(9, 6)}),
        Case("softmax/last", "aten.softmax.int", {"self": normal(3, 10, deviation=4), "dim": -1}),
        Case("softmax/channels", "aten.softmax.int", {"self": normal(2, 5, 3, 2), "dim": 1}),
        Case("softmax/large", "aten.softmax.int", {"self": normal(2, 9, deviation=300), "dim": 1}),
        Case("softmax/decomposed", "aten._softmax.default",
             {"self": normal(2, 7), "dim": -1, "half_to_float": False}),
    ]


def activations() -> list[Case]:
    plain = ["relu", "relu_", "relu6", "sigmoid", "hardsigmoid", "hardswish", "hardswish_", "silu", "silu_", "tanh"]
    plain += ["exp", "neg", "abs"]
    listing = []
    for name in plain:
        target = f"aten.{name}.default"
        listing.append(Case(f"{name}/random", target, {"self": normal(2, 3, 4, 5, deviation=3)}))
        listing.append(Case(f"{name}/special", target, {"self": specials()}))
    for name in ("sqrt", "rsqrt", "reciprocal"):
        listing.append(Case(f"{name}/positive", f"aten.{name}.default", {"self": positive(2, 3, 4)}))
        listing.append(Case(f"{name}/special", f"aten.{name}.default", {"self": specials()}))
    for name, bounds in {"both": (-0.5, 1.5), "min": (0.25, None), "max": (None, 0.5), "integers": (0, 6)}.items():
        given = {"min": bounds[0], "max": bounds[1]}
        listing.append(Case(f"clamp/{name}", "aten.clamp.default", {"self": normal(2, 3, 4, 5)} | given))
        listing.append(Case(f"clamp/{name}-special", "aten.clamp.default", {"self": specials()} | given))
    crossed = {"self": normal(3, 7), "min": 1.0, "max": -1.0}
    given = {"self": normal(2, 3, 4, deviation=5), "min_val": 0.0, "max_val": 6.0}
    return listing + [
        Case("clamp/min-above-max", "aten.clamp.default", crossed),
        Case("clamp_min", "aten.clamp_min.default", {"self": specials(), "min": 0.0}),
        Case("hardtanh/default", "aten.hardtanh.default", {"self": specials()}),
        Case("hardtanh/relu6", "aten.hardtanh_.default", given),
        Case("leaky_relu", "aten.leaky_relu.default", {"self": specials(), "negative_slope": 0.1}),
        Case("gelu/none", "aten.gelu.default", {"self": normal(3, 8, deviation=2)}),
        Case("gelu/tanh", "aten.gelu.default", {"self": normal(3, 8, deviation=2), "approximate": "tanh"}),
        Case("pow/square", "aten.pow.Tensor_Scalar", {"self": normal(3, 8), "exponent": 2}),
        Case("pow/root", "aten.pow.Tensor_Scalar", {"self": positive(3, 8), "exponent": 0.5}),
        Case("pow/inverse-root", "aten.pow.Tensor_Scalar", {"self": positive(3, 8), "exponent": -0.5}),
        Case("dropout/eval", "aten.dropout.default", {"input": normal(2, 9), "p": 0.5, "train": False}),
        Case("clone", "aten.clone.default", {"self": normal(2, 3, 2)}),
        Case("contiguous", "aten.contiguous.default", {"self": normal(2, 3, 2).transpose(0, 2)}),
    ]


def binaries() -> list[Case]:
    pairs = {
        "same": ((2, 3, 4, 5), (2, 3, 4, 5)),
        "channel": ((2, 3, 4, 5), (1, 3, 1, 1)),
        "instance": ((2, 3, 1, 1), (2, 3, 4, 5)),
        "row-by-column": ((2, 3, 4, 1), (1, 1, 1, 5)),
        "lower-rank": ((2, 3, 4, 5), (4, 5)),
        "vector-first": ((5,), (2, 3, 5)),
        "zero-rank": ((2, 3), ()),
    }
    listing = []
    for function in ("add", "sub", "mul", "div"):
        for name, (left, right) in pairs.items():
            other = normal(*right) if function != "div" else positive(*right)
            given = {"self": normal(*left), "other": other}
            listing.append(Case(f"{function}/{name}", f"aten.{function}.Tensor", given))
        number = {"self": normal(2, 3, 4), "other": 2.5}
        listing.append(Case(f"{function}/number", f"aten.{function}.Tensor", number))
        in_place = {"self": normal(2, 3, 4, 5), "other": positive(1, 3, 1, 1)}
        listing.append(Case(f"{function}/in-place", f"aten.{function}_.Tensor", in_place))
    for function in ("add", "sub"):
        given = {"self": normal(2, 3, 4), "other": normal(3, 1), "alpha": -0.75}
        listing.append(Case(f"{function}/alpha", f"aten.{function}.Tensor", given))
    reversed_given = {"self": normal(2, 3, 4), "other": 1.0}
    zero = {"self": torch.tensor([1.0, -1.0, 0.0, 2.0]), "other": torch.tensor([0.0, 0.0, 0.0, -0.0])}
    return listing + [
        Case("add/special", "aten.add.Tensor", {"self": specials(), "other": specials().flip(3)}),
        Case("mul/special", "aten.mul.Tensor", {"self": specials(), "other": specials().flip(2)}),
        Case("div/by-zero", "aten.div.Tensor", zero),
        Case("rsub/number", "aten.rsub.Scalar", reversed_given),
    ]
