"""The cases of `ops` that reduce, pool and rearrange."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fixture_sets.op_cases import Case, normal, with_holes


def reductions() -> list[Case]:
    def mean(name: str, x: Tensor, dim: list[int] | None, keepdim: bool = False) -> Case:
        return Case(f"mean/{name}", "aten.mean.dim", {"self": x, "dim": dim, "keepdim": keepdim})

    def total(name: str, x: Tensor, dim: list[int] | None, keepdim: bool = False) -> Case:
        return Case(f"sum/{name}", "aten.sum.dim_IntList", {"self": x, "dim": dim, "keepdim": keepdim})

    return [
        mean("image", normal(2, 3, 5, 4), [2, 3]),
        mean("image-keepdim", normal(2, 3, 5, 4), [2, 3], True),
        mean("negative", normal(2, 3, 5, 4), [-1, -2], True),
        mean("channels", normal(2, 7, 3, 2), [1]),
        mean("batch-and-image", normal(3, 2, 4, 5), [0, 2, 3], True),
        mean("last", normal(2, 3, 4, 9), [-1]),
        mean("height", normal(2, 3, 4, 9), [2], True),
        mean("all", normal(2, 3, 4), [0, 1, 2]),
        mean("large-mean", normal(1, 4, 12, 12, mean=5000), [2, 3], True),
        mean("one-pixel", normal(2, 3, 1, 1), [2, 3]),
        total("image", normal(2, 3, 5, 4), [2, 3]),
        total("image-keepdim", normal(2, 3, 5, 4), [2, 3], True),
        total("first", normal(3, 4, 2), [0]),
        total("middle-and-last", normal(2, 3, 4, 5), [1, -1]),
        Case("mean/none", "aten.mean.default", {"self": normal(2, 3, 4)}),
    ]


def poolings() -> list[Case]:
    def maximum(name: str, x: Tensor, kernel: list[int], **arguments: Any) -> Case:
        given = {"self": x, "kernel_size": kernel} | arguments
        return Case(f"max_pool2d/{name}", "aten.max_pool2d.default", given)

    def average(name: str, x: Tensor, kernel: list[int], **arguments: Any) -> Case:
        given = {"self": x, "kernel_size": kernel} | arguments
        return Case(f"avg_pool2d/{name}", "aten.avg_pool2d.default", given)

    def adaptive(name: str, x: Tensor, size: list[int], target: str = "adaptive_avg_pool2d") -> Case:
        return Case(f"{target}/{name}", f"aten.{target}.default", {"self": x, "output_size": size})

    stem = {"stride": [2, 2], "padding": [1, 1]}
    return [
        maximum("stem", normal(2, 5, 9, 8), [3, 3], **stem),
        maximum("stem-ceil", normal(1, 3, 8, 8), [3, 3], **stem, ceil_mode=True),
        maximum("default-stride", normal(1, 3, 7, 6), [2, 2]),
        maximum("ceil-drops-window", normal(1, 2, 6, 5), [2, 2], stride=[3, 3], padding=[1, 1], ceil_mode=True),
        maximum("ceil-odd", normal(1, 2, 7, 9), [2, 2], stride=[2, 2], ceil_mode=True),
        maximum("dilated", normal(1, 3, 9, 9), [3, 3], stride=[1, 2], dilation=[2, 2], padding=[1, 1]),
        maximum("all-negative", normal(1, 3, 5, 5, mean=-50), [3, 3], **stem),
        maximum("rectangular", normal(1, 3, 6, 9), [1, 3], stride=[1, 3]),
        maximum("holes", with_holes(1, 3, 6, 7), [3, 3], **stem),
        maximum("stride-1", normal(1, 2, 5, 5), [5, 5], stride=[1, 1], padding=[2, 2]),
        Case("max_pool2d/with-indices", "aten.max_pool2d_with_indices.default",
             {"self": normal(1, 3, 6, 7), "kernel_size": [3, 3]} | stem),
        average("default-stride", normal(2, 3, 6, 7), [2, 2]),
        average("padded", normal(1, 3, 7, 7), [3, 3], **stem),
        average("padded-not-counted", normal(1, 3, 7, 7), [3, 3], **stem, count_include_pad=False),
        average("ceil", normal(1, 3, 7, 8), [2, 2], ceil_mode=True),
        average("ceil-padded", normal(1, 3, 8, 8), [3, 3], **stem, ceil_mode=True),
        average("ceil-not-counted", normal(1, 3, 8, 8), [3, 3], **stem, ceil_mode=True, count_include_pad=False),
        average("divisor", normal(1, 3, 6, 6), [3, 3], stride=[1, 1], divisor_override=5),
        average("rectangular", normal(1, 2, 5, 9), [5, 2], stride=[1, 3]),
        average("global", normal(2, 4, 8, 8), [8, 8]),
        average("holes", with_holes(1, 3, 6, 6), [2, 2]),
        adaptive("one", normal(2, 5, 7, 6), [1, 1]),
        adaptive("one-large-mean", normal(1, 4, 14, 14, mean=3000), [1, 1]),
        adaptive("one-pixel", normal(2, 5, 1, 1), [1, 1]),
        adaptive("seven-of-ten", normal(1, 2, 10, 11), [7, 7]),
        adaptive("seven-of-five", normal(1, 2, 5, 3), [7, 7]),
        adaptive("two-by-three", normal(1, 3, 6, 6), [2, 3]),
        adaptive("decomposed", normal(1, 3, 9, 8), [4, 3], "_adaptive_avg_pool2d"),
    ]


def reshapes() -> list[Case]:
    x = normal(2, 3, 4, 5)
    image = normal(1, 4, 5, 6)

    def padded(name: str, widths: list[int], value: float = 0.0, source: Tensor = image) -> Case:
        return Case(f"constant_pad_nd/{name}", "aten.constant_pad_nd.default",
                    {"self": source, "pad": widths, "value": value})

    def piece(name: str, source: Tensor, **arguments: Any) -> Case:
        return Case(f"slice/{name}", "aten.slice.Tensor", {"self": source} | arguments)

    return [case_without_truth(case) for case in (
        Case("flatten/from-1", "aten.flatten.using_ints", {"self": x, "start_dim": 1}),
        Case("flatten/all", "aten.flatten.using_ints", {"self": x}),
        Case("flatten/middle", "aten.flatten.using_ints", {"self": x, "start_dim": 1, "end_dim": 2}),
        Case("view/inferred", "aten.view.default", {"self": x, "size": [2, -1]}),
        Case("view/split", "aten.view.default", {"self": x, "size": [2, 3, 2, 2, 5]}),
        Case("reshape/joined", "aten.reshape.default", {"self": x, "shape": [6, 20]}),
        Case("reshape/transposed", "aten.reshape.default", {"self": x.transpose(1, 2), "shape": [2, -1]}),
        Case("permute/channels-last", "aten.permute.default", {"self": x, "dims": [0, 2, 3, 1]}),
        Case("permute/negative", "aten.permute.default", {"self": x, "dims": [-1, 0, -2, 1]}),
        Case("transpose", "aten.transpose.int", {"self": x, "dim0": 1, "dim1": -1}),
        Case("unsqueeze", "aten.unsqueeze.default", {"self": x, "dim": -1}),
        Case("squeeze/dims", "aten.squeeze.dims", {"self": normal(2, 3, 1, 1), "dim": [2, 3]}),
        Case("expand", "aten.expand.default", {"self": normal(2, 3, 1, 1), "size": [2, -1, 4, 5]}),
        Case("expand/new-axis", "aten.expand.default", {"self": normal(3, 1), "size": [2, 3, 4]}),
        Case("cat/channels", "aten.cat.default", {"tensors": [x, normal(2, 1, 4, 5), normal(2, 6, 4, 5)], "dim": 1}),
        Case("cat/batch", "aten.cat.default", {"tensors": [x, x]}),
        Case("cat/last", "aten.cat.default", {"tensors": [x, normal(2, 3, 4, 2)], "dim": -1}),
        piece("step-2", image, dim=2, step=2),
        piece("step-3-from-1", image, dim=3, start=1, step=3),
        piece("end", image, dim=1, end=2),
        piece("negative", image, dim=3, start=-3, end=-1),
        piece("beyond", image, dim=2, start=1, end=9223372036854775807),
        piece("empty", image, dim=2, start=3, end=2),
        padded("one-side", [1, 0]),
        padded("asymmetric", [0, 1, 0, 1]),
        padded("image-value", [1, 2, 3, 0], -1.5),
        padded("channels", [0, 0, 0, 0, 2, 2]),
        padded("cropping", [-1, 1, 0, -2]),
        padded("minus-infinity", [1, 1, 1, 1], float("-inf")),
        Case("pad/constant", "aten.pad.default", {"self": image, "pad": [0, 0, 0, 0, 1, 1]}),
    )]


def case_without_truth(case: Case) -> Case:
    """Values are only moved, so the output is its own truth."""
    return Case(case.name, case.target, case.arguments, truth=False)
