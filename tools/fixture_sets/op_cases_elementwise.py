"""The cases of `ops` that are further functions of single elements, comparisons and choices."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fixture_sets.op_cases import Case, normal, positive, specials


def functions_further() -> list[Case]:
    def both(name: str, **arguments: Any) -> list[Case]:
        target = f"aten.{name}.default"
        return [
            Case(f"{name}/random", target, {"self": normal(2, 3, 4, 5, deviation=3)} | arguments),
            Case(f"{name}/special", target, {"self": specials()} | arguments),
        ]

    listing = []
    for name in ("mish", "selu", "softplus", "log_sigmoid", "sign", "floor", "ceil", "trunc", "round", "erf"):
        listing += both(name)
    listing += both("elu", alpha=0.7) + both("celu", alpha=1.3) + both("hardshrink", lambd=0.6)
    listing += both("softshrink", lambd=0.4) + both("threshold", threshold=0.1, value=-7.0)
    for name in ("log", "log2", "log10", "log1p"):
        listing.append(Case(f"{name}/positive", f"aten.{name}.default", {"self": positive(2, 3, 4)}))
    for name in ("sin", "cos", "expm1"):
        listing.append(Case(f"{name}/random", f"aten.{name}.default", {"self": normal(2, 3, 4)}))
    return listing + [
        Case("elu/scaled", "aten.elu.default",
             {"self": normal(3, 4), "alpha": 1.5, "scale": 2.0, "input_scale": 0.5}),
        Case("softplus/threshold", "aten.softplus.default",
             {"self": normal(3, 7, deviation=9), "beta": 2.0, "threshold": 5.0}),
        Case("prelu/channels", "aten.prelu.default", {"self": normal(2, 3, 4, 5), "weight": normal(3)}),
        Case("prelu/one", "aten.prelu.default", {"self": normal(2, 5), "weight": normal(1)}),
        Case("glu", "aten.glu.default", {"self": normal(2, 6, 3, 2), "dim": 1}),
        Case("leaky_relu/in-place", "aten.leaky_relu_.default", {"self": normal(3, 5), "negative_slope": 0.2}),
    ]


def binaries_further() -> list[Case]:
    def pair(name: str, target: str, left: Tensor, right: Any) -> Case:
        return Case(name, target, {"self": left, "other": right})

    def compared(name: str) -> list[Case]:
        left = torch.tensor([[1.0, 2.0, 3.0], [4.0, 2.0, 0.0]])
        right = torch.tensor([1.0, 3.0, 3.0])
        return [
            Case(f"{name}/tensor", f"aten.{name}.Tensor", {"self": left, "other": right}, truth=False),
            Case(f"{name}/number", f"aten.{name}.Scalar", {"self": left, "other": 2}, truth=False),
        ]

    listing = [case for name in ("eq", "ne", "lt", "le", "gt", "ge") for case in compared(name)]
    truths = (torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False]))
    for name in ("logical_and", "logical_or", "logical_xor"):
        listing.append(Case(name, f"aten.{name}.default", dict(zip(("self", "other"), truths)), truth=False))
    image, condition = normal(2, 3, 4, 5), normal(2, 1, 4, 5) > 0
    signed = torch.tensor([7.0, -7.0, 7.5, -7.5, 0.0])
    return listing + [
        Case("logical_not", "aten.logical_not.default", {"self": normal(2, 3) > 0}, truth=False),
        Case("maximum", "aten.maximum.default", {"self": specials(), "other": specials().flip(3)}, truth=False),
        Case("minimum", "aten.minimum.default", {"self": image, "other": normal(1, 3, 1, 1)}, truth=False),
        Case("pow/tensors", "aten.pow.Tensor_Tensor", {"self": positive(2, 3, 4), "exponent": normal(3, 1)}),
        Case("pow/number-first", "aten.pow.Scalar", {"self": 2.5, "exponent": normal(2, 3)}),
        Case("div/floor", "aten.div.Tensor_mode", {"self": signed, "other": torch.tensor(2.0), "rounding_mode": "floor"}),
        Case("div/trunc", "aten.div.Tensor_mode", {"self": signed, "other": torch.tensor(2.0), "rounding_mode": "trunc"}),
        pair("floor_divide", "aten.floor_divide.default", signed, torch.tensor(-2.0)),
        pair("remainder", "aten.remainder.Scalar", signed, 3.0),
        pair("fmod", "aten.fmod.Scalar", signed, 3.0),
        Case("where/broadcast", "aten.where.self",
             {"condition": condition, "self": image, "other": normal(3, 1, 1)}, truth=False),
        Case("where/number", "aten.where.ScalarOther",
             {"condition": condition, "self": image, "other": -1.5}, truth=False),
        Case("masked_fill", "aten.masked_fill.Scalar",
             {"self": image, "mask": condition, "value": float("-inf")}, truth=False),
        Case("clamp/tensors", "aten.clamp.Tensor", {"self": image, "min": normal(3, 1, 1), "max": None}, truth=False),
        Case("addcmul", "aten.addcmul.default",
             {"self": normal(2, 3), "tensor1": normal(2, 3), "tensor2": normal(3), "value": 0.5}),
        Case("lerp", "aten.lerp.Scalar", {"self": normal(2, 3), "end": normal(2, 3), "weight": 0.3}),
        # One number a row of what lies together in memory, and a row for each instance.
        Case("mul/per-pixel", "aten.mul.Tensor", {"self": image, "other": normal(2, 1, 4, 5)}),
        Case("mul/per-token", "aten.mul.Tensor", {"self": normal(2, 7, 9), "other": normal(2, 7, 1)}),
        Case("sub/row-first", "aten.sub.Tensor", {"self": normal(9), "other": normal(2, 7, 9)}),
    ]
