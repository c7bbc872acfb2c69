"""Representative BatchNorm as a PyTorch module, written from the formulas of the paper.

For an input x of shape (N, C, H, W):

    x'  = x + center_weight * mean_HW(x)                  centering calibration
    y   = (x' - running_mean) / sqrt(running_var + eps)   normalisation
    s   = sigmoid(scale_weight * mean_HW(y) + scale_bias) scaling calibration
    out = weight * s * y + bias                           affine
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional


class RepresentativeBatchNorm2d(nn.Module):
    """Representative BatchNorm; a drop-in `norm_layer`.

    With `in_place` the input itself is centred (`add_`), as the published module does: another reader of the input
    then sees the centred tensor. Without `track_running_stats` the batch's own mean and biased variance of the
    centred input are used in eval mode too.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        affine: bool = True,
        track_running_stats: bool = True,
        centering: bool = True,
        scaling: bool = True,
        in_place: bool = True,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.in_place = in_place
        self.track_running_stats = track_running_stats
        shape = (1, num_features, 1, 1)
        self._declare("weight", torch.ones(shape) if affine else None)
        self._declare("bias", torch.zeros(shape) if affine else None)
        self._declare("center_weight", torch.zeros(shape) if centering else None)
        self._declare("scale_weight", torch.zeros(shape) if scaling else None)
        self._declare("scale_bias", torch.ones(shape) if scaling else None)
        if track_running_stats:
            self.register_buffer("running_mean", torch.zeros(num_features))
            self.register_buffer("running_var", torch.ones(num_features))
            self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))
        else:
            self.running_mean = None
            self.running_var = None

    def _declare(self, name: str, value: Tensor | None) -> None:
        self.register_parameter(name, None if value is None else nn.Parameter(value))

    def store_parameters_as_vectors(self) -> "RepresentativeBatchNorm2d":
        """Stores every per-channel parameter as (C) instead of (1, C, 1, 1)."""
        for name, parameter in list(self.named_parameters(recurse=False)):
            self._declare(name, parameter.detach().reshape(-1))
        return self

    @staticmethod
    def _channels(parameter: Tensor) -> Tensor:
        return parameter if parameter.dim() == 4 else parameter.view(1, -1, 1, 1)

    def forward(self, input: Tensor) -> Tensor:
        if self.center_weight is not None:
            weight = self.center_weight.view(1, self.num_features, 1, 1)
            offset = weight * functional.adaptive_avg_pool2d(input, 1)
            input = input.add_(offset) if self.in_place else input + offset
        if self.training and self.track_running_stats:
            self.num_batches_tracked.add_(1)
        output = functional.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            None,
            None,
            self.training or not self.track_running_stats,
            self.momentum,
            self.eps,
        )
        if self.scale_weight is not None:
            mean = functional.adaptive_avg_pool2d(output, 1)
            scale = torch.sigmoid(self._channels(self.scale_weight) * mean + self._channels(self.scale_bias))
            output = output * scale
        if self.weight is not None:
            output = output * self._channels(self.weight) + self._channels(self.bias)
        return output

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, in_place={self.in_place}"


def float64_truth(state: dict[str, numpy.ndarray], x: numpy.ndarray, eps: float) -> numpy.ndarray:
    """The layer's output evaluated in float64, step by step, from a state dict whose absent keys switch parts off."""
    values = {key: value.astype(numpy.float64).reshape(1, -1, 1, 1) for key, value in state.items()}
    x = x.astype(numpy.float64)
    if "center_weight" in values:
        x = x + values["center_weight"] * x.mean(axis=(2, 3), keepdims=True)
    mean = values.get("running_mean")
    variance = values.get("running_var")
    if mean is None:
        mean = x.mean(axis=(0, 2, 3), keepdims=True)
        variance = ((x - mean) ** 2).mean(axis=(0, 2, 3), keepdims=True)
    y = (x - mean) / numpy.sqrt(variance + eps)
    if "scale_weight" in values:
        feature = y.mean(axis=(2, 3), keepdims=True)
        y = y / (1 + numpy.exp(-(values["scale_weight"] * feature + values["scale_bias"])))
    if "weight" in values:
        y = values["weight"] * y + values["bias"]
    return y


@dataclass(frozen=True)
class NormSpread:
    """How far the parameters of norm layers are drawn from where training starts: (mean, standard deviation).

    Wide ones test one layer or a block. In a deep network they feed on each other: the gate of an image that is
    brighter than most opens, which makes its next layer brighter still, until rounding errors have grown like the image.
    """

    weight: tuple[float, float] = (1.0, 0.1)
    bias: tuple[float, float] = (0.0, 0.1)
    center_weight: tuple[float, float] = (0.0, 0.1)
    scale_weight: tuple[float, float] = (0.0, 0.5)
    scale_bias: tuple[float, float] = (0.0, 1.0)


def randomize_norms(module: nn.Module, generator: torch.Generator, spread: NormSpread = NormSpread()) -> None:
    """Gives every norm layer parameters away from their initial values, statistics excepted."""
    names = ("weight", "bias", "center_weight", "scale_weight", "scale_bias")
    for layer in module.modules():
        if not isinstance(layer, (RepresentativeBatchNorm2d, nn.BatchNorm2d)):
            continue
        for name in names:
            parameter = getattr(layer, name, None)
            if parameter is None:
                continue
            mean, deviation = getattr(spread, name)
            noise = torch.randn(parameter.shape, generator=generator)
            with torch.no_grad():
                parameter.copy_(mean + deviation * noise)
