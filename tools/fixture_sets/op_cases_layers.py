"""The cases of `ops` that are layers beside plain convolutions: other norms, attention, resampling, one dimension."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fixture_sets.op_cases import Case, normal, positive, with_holes


def convolutions_further() -> list[Case]:
    def transposed(name: str, x: Tensor, weight: Tensor, bias: bool = False, **arguments: Any) -> Case:
        groups = arguments.get("groups", 1)
        given = {"input": x, "weight": weight, "bias": normal(weight.shape[1] * groups) if bias else None}
        return Case(f"conv_transpose2d/{name}", "aten.conv_transpose2d.input", given | arguments)

    def row(name: str, x: Tensor, weight: Tensor, bias: bool = False, **arguments: Any) -> Case:
        given = {"input": x, "weight": weight, "bias": normal(weight.shape[0]) if bias else None}
        return Case(f"conv1d/{name}", "aten.conv1d.default", given | arguments)

    return [
        transposed("2x2-stride-2", normal(1, 6, 4, 5), normal(6, 3, 2, 2), True, stride=[2, 2]),
        transposed("3x3-stride-2-output-padding", normal(2, 4, 3, 4), normal(4, 5, 3, 3), True,
                   stride=[2, 2], padding=[1, 1], output_padding=[1, 1]),
        transposed("4x4-stride-2", normal(1, 3, 4, 3), normal(3, 7, 4, 4), stride=[2, 2], padding=[1, 1]),
        transposed("stride-1", normal(1, 3, 5, 4), normal(3, 2, 3, 3), True, padding=[1, 0]),
        transposed("grouped", normal(1, 6, 3, 4), normal(6, 2, 3, 2), True, stride=[1, 2], groups=3),
        transposed("dilated", normal(1, 2, 4, 4), normal(2, 3, 2, 3), stride=[2, 1], dilation=[3, 2]),
        transposed("kernel-smaller-than-stride", normal(1, 2, 3, 3), normal(2, 4, 1, 2), True, stride=[3, 3]),
        Case("conv_transpose1d", "aten.conv_transpose1d.default",
             {"input": normal(2, 3, 5), "weight": normal(3, 4, 3), "bias": normal(4), "stride": [2]}),
        Case("convolution/transposed", "aten.convolution.default",
             {"input": normal(1, 4, 3, 5), "weight": normal(4, 3, 3, 3), "bias": normal(3), "stride": [2, 2],
              "padding": [1, 1], "dilation": [1, 1], "transposed": True, "output_padding": [0, 1], "groups": 1}),
        row("channel-attention", normal(2, 1, 17), normal(1, 1, 5), padding=[2]),
        row("strided", normal(1, 6, 15), normal(4, 3, 4), True, stride=[3], padding=[1], dilation=[2], groups=2),
        Case("conv1d/padding-same", "aten.conv1d.padding",
             {"input": normal(1, 2, 9), "weight": normal(3, 2, 4), "padding": "same"}),
        Case("convolution/one-dimensional", "aten.convolution.default",
             {"input": normal(1, 2, 9), "weight": normal(3, 2, 3), "bias": None, "stride": [1], "padding": [1],
              "dilation": [1], "transposed": False, "output_padding": [0], "groups": 1}),
    ]


def norms_further() -> list[Case]:
    def layer(name: str, x: Tensor, shape: list[int], affine: bool = True, **arguments: Any) -> Case:
        given = {"input": x, "normalized_shape": shape}
        if affine:
            given |= {"weight": normal(*shape), "bias": normal(*shape)}
        return Case(f"layer_norm/{name}", "aten.layer_norm.default", given | arguments)

    def group(name: str, x: Tensor, groups: int, affine: bool = True, **arguments: Any) -> Case:
        given: dict[str, Any] = {"input": x, "num_groups": groups}
        if affine:
            given |= {"weight": normal(x.shape[1]), "bias": normal(x.shape[1])}
        return Case(f"group_norm/{name}", "aten.group_norm.default", given | arguments)

    def instance(name: str, x: Tensor, own: bool) -> Case:
        c = x.shape[1]
        return Case(f"instance_norm/{name}", "aten.instance_norm.default", {
            "input": x, "weight": normal(c), "bias": normal(c),
            "running_mean": None if own else normal(c), "running_var": None if own else positive(c),
            "use_input_stats": own, "momentum": 0.1, "eps": 1e-5, "cudnn_enabled": True})

    image = normal(2, 4, 5, 3, mean=1)
    return [
        layer("tokens", normal(2, 5, 33), [33]),
        layer("plain-large-mean", normal(3, 17, mean=100), [17], False, eps=1e-6),
        layer("image", normal(2, 3, 4, 5), [3, 4, 5]),
        layer("last-of-image", normal(2, 3, 4, 9), [9]),
        Case("layer_norm/decomposed", "aten.native_layer_norm.default",
             {"input": normal(2, 3, 8), "normalized_shape": [8], "weight": normal(8), "bias": None, "eps": 1e-5}),
        group("image", normal(2, 6, 5, 4), 3),
        group("one-group-plain", normal(2, 5, 3, 3, mean=3), 1, False),
        group("many-channels", normal(1, 70, 3, 4), 7, eps=1e-3),
        group("two-dimensional", normal(3, 8), 4),
        group("row", normal(2, 6, 7), 2),
        Case("group_norm/decomposed", "aten.native_group_norm.default",
             {"input": image, "weight": normal(4), "bias": normal(4), "N": 2, "C": 4, "HxW": 15, "group": 2,
              "eps": 1e-5}),
        instance("own-statistics", normal(2, 5, 4, 6, mean=2), True),
        instance("running-statistics", normal(2, 3, 4, 4), False),
        Case("rms_norm", "aten.rms_norm.default",
             {"input": normal(2, 3, 8), "normalized_shape": [8], "weight": normal(8), "eps": 1e-6}),
    ]


def products() -> list[Case]:
    def attention(name: str, q: Tensor, k: Tensor, v: Tensor, **arguments: Any) -> Case:
        given = {"query": q, "key": k, "value": v}
        return Case(f"attention/{name}", "aten.scaled_dot_product_attention.default", given | arguments)

    def matmul(name: str, a: Tensor, b: Tensor) -> Case:
        return Case(f"matmul/{name}", "aten.matmul.default", {"self": a, "other": b})

    mask = torch.tensor([[True, True, False, True, True], [True, False, False, True, True]])
    return [
        matmul("matrices", normal(5, 7), normal(7, 6)),
        matmul("batched", normal(2, 3, 5, 9), normal(2, 3, 9, 4)),
        matmul("broadcast", normal(2, 1, 4, 3), normal(5, 3, 2)),
        matmul("many-rows", normal(1, 101, 17), normal(1, 17, 19)),
        matmul("vector-first", normal(6), normal(2, 6, 3)),
        matmul("vector-second", normal(2, 4, 6), normal(6)),
        matmul("vectors", normal(9), normal(9)),
        Case("bmm", "aten.bmm.default", {"self": normal(3, 4, 5), "mat2": normal(3, 5, 7)}),
        Case("baddbmm", "aten.baddbmm.default",
             {"self": normal(3, 4, 7), "batch1": normal(3, 4, 5), "batch2": normal(3, 5, 7), "beta": 0.5,
              "alpha": 2.0}),
        Case("addmm/scaled", "aten.addmm.default",
             {"self": normal(4, 6), "mat1": normal(4, 9), "mat2": normal(9, 6), "beta": 2.0, "alpha": -0.5}),
        attention("heads", normal(2, 3, 7, 8), normal(2, 3, 7, 8), normal(2, 3, 7, 8)),
        attention("cross-scaled", normal(1, 2, 5, 4), normal(1, 2, 9, 4), normal(1, 2, 9, 6), scale=0.3),
        attention("causal", normal(2, 6, 4), normal(2, 6, 4), normal(2, 6, 4), is_causal=True),
        attention("mask", normal(2, 2, 4, 8), normal(2, 2, 5, 8), normal(2, 2, 5, 8), attn_mask=normal(2, 1, 4, 5)),
        attention("boolean-mask", normal(1, 1, 2, 4), normal(1, 1, 5, 4), normal(1, 1, 5, 4), attn_mask=mask),
        attention("many-queries", normal(1, 2, 61, 16), normal(1, 2, 61, 16), normal(1, 2, 61, 16)),
    ]


def resamplings() -> list[Case]:
    def sizes(kind: str, name: str, x: Tensor, size: list[int], aligned: bool | None = None) -> Case:
        given: dict[str, Any] = {"input": x, "output_size": size, "scale_factors": None}
        if aligned is not None:
            given["align_corners"] = aligned
        return Case(f"{kind}/{name}", f"aten.{kind}.vec", given)

    def factors(kind: str, name: str, x: Tensor, scale: list[float], aligned: bool | None = None) -> Case:
        given: dict[str, Any] = {"input": x, "output_size": None, "scale_factors": scale}
        if aligned is not None:
            given["align_corners"] = aligned
        return Case(f"{kind}/{name}", f"aten.{kind}.vec", given)

    nearest, exact = "upsample_nearest2d", "_upsample_nearest_exact2d"
    bilinear, bicubic = "upsample_bilinear2d", "upsample_bicubic2d"
    return [
        factors(nearest, "double", normal(2, 5, 3, 4), [2.0, 2.0]),
        factors(nearest, "fraction", normal(1, 3, 7, 5), [1.7, 0.6]),
        sizes(nearest, "sizes", normal(1, 3, 5, 7), [13, 4]),
        sizes(nearest, "same", normal(1, 2, 4, 4), [4, 4]),
        sizes(exact, "sizes", normal(1, 3, 5, 7), [13, 4]),
        factors(exact, "double", normal(1, 3, 3, 4), [2.0, 2.0]),
        factors(bilinear, "double", normal(2, 5, 3, 4), [2.0, 2.0], False),
        sizes(bilinear, "larger", normal(1, 9, 4, 5), [11, 8], False),
        sizes(bilinear, "smaller", normal(1, 3, 9, 8), [4, 5], False),
        sizes(bilinear, "aligned", normal(1, 3, 4, 5), [9, 7], True),
        sizes(bilinear, "one-pixel", normal(1, 4, 1, 1), [5, 3], False),
        sizes(bilinear, "to-one-pixel-aligned", normal(1, 4, 3, 5), [1, 1], True),
        factors(bilinear, "fraction", normal(1, 2, 6, 5), [1.5, 1.3], False),
        Case(f"{bilinear}/decomposed", f"aten.{bilinear}.default",
             {"self": normal(1, 2, 4, 3), "output_size": [8, 6], "align_corners": False, "scales_h": 2.0,
              "scales_w": 2.0}),
        sizes(bicubic, "larger", normal(1, 3, 4, 5), [9, 13], False),
        sizes(bicubic, "aligned", normal(1, 3, 4, 5), [7, 9], True),
        factors(bicubic, "double", normal(1, 3, 4, 3), [2.0, 2.0], False),
    ]


def poolings_further() -> list[Case]:
    def row(kind: str, name: str, x: Tensor, **arguments: Any) -> Case:
        return Case(f"{kind}/{name}", f"aten.{kind}.default", {"self": x} | arguments)

    def adaptive(name: str, x: Tensor, size: list[int]) -> Case:
        return Case(f"adaptive_max_pool2d/{name}", "aten.adaptive_max_pool2d.default",
                    {"self": x, "output_size": size})

    return [
        adaptive("one", normal(2, 5, 7, 6), [1, 1]),
        adaptive("seven-of-ten", normal(1, 2, 10, 11), [7, 7]),
        adaptive("holes", with_holes(1, 3, 6, 6), [3, 2]),
        row("avg_pool1d", "padded", normal(2, 3, 11), kernel_size=[3], stride=[2], padding=[1]),
        row("avg_pool1d", "not-counted", normal(2, 3, 11), kernel_size=[4], padding=[2], count_include_pad=False),
        row("max_pool1d", "dilated", normal(2, 3, 13), kernel_size=[3], stride=[2], padding=[1], dilation=[2]),
        row("adaptive_avg_pool1d", "five", normal(2, 3, 13), output_size=[5]),
    ]
