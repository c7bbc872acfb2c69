"""Representative BatchNorm written as people write it: one arithmetic, many graphs; and what is nearly one."""

from __future__ import annotations

from functools import partial
from typing import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from rbn_torch.layer import RepresentativeBatchNorm2d


class Spelling(RepresentativeBatchNorm2d):
    """The parameters of the layer; subclasses spell its arithmetic. Never in place unless said.

    Statistics are drawn, since what subclasses spell is evaluation: no forward pass would settle them.
    """

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__(num_features, eps, in_place=False)
        self.running_mean.normal_(0, 0.3)
        self.running_var.uniform_(0.5, 1.5)

    def normalise(self, x: Tensor) -> Tensor:
        return functional.batch_norm(x, self.running_mean, self.running_var, None, None, False, 0.1, self.eps)


class MeanKeepdim(Spelling):
    """`mean((2, 3), keepdim=True)` for the pooling, `+` for the in-place centring."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.center_weight * x.mean((2, 3), keepdim=True)
        y = self.normalise(x)
        s = torch.sigmoid(self.scale_weight * y.mean((2, 3), keepdim=True) + self.scale_bias)
        return self.weight * (y * s) + self.bias


class MeanView(Spelling):
    """`mean` over negative axes without `keepdim`, then `view`; the product in another order."""

    def forward(self, x: Tensor) -> Tensor:
        m = x.mean([-1, -2]).view(x.shape[0], self.num_features, 1, 1)
        y = self.normalise(x + m * self.center_weight)
        s = (y.mean([-1, -2]).view(x.shape[0], self.num_features, 1, 1) * self.scale_weight + self.scale_bias).sigmoid()
        return (self.weight * s) * y + self.bias


class AffineBatchNorm(Spelling):
    """`batch_norm` with weight and bias; the scale is then applied to the output less its bias."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.center_weight * functional.adaptive_avg_pool2d(x, (1, 1))
        weight, bias = self.weight.flatten(), self.bias.flatten()
        y = functional.batch_norm(x, self.running_mean, self.running_var, weight, bias, False, 0.1, self.eps)
        y = y - self.bias
        feature = functional.adaptive_avg_pool2d(y, (1, 1)) / self.weight
        return y * torch.sigmoid(feature * self.scale_weight + self.scale_bias) + self.bias


class ManualNormalisation(Spelling):
    """`(x − μ) / sqrt(var + eps)` by hand."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + x.mean((2, 3), keepdim=True) * self.center_weight
        mu = self.running_mean.view(1, -1, 1, 1)
        sigma = torch.sqrt(self.running_var.view(1, -1, 1, 1) + self.eps)
        y = (x - mu) / sigma
        s = torch.sigmoid(self.scale_bias + self.scale_weight * y.mean((2, 3), keepdim=True))
        return y * s * self.weight + self.bias


class ReciprocalRoot(Spelling):
    """`rsqrt`, sums divided by the area, unsqueezed statistics, `addcmul`-free affine, in-place `mul_` and `add_`."""

    def forward(self, x: Tensor) -> Tensor:
        area = x.shape[2] * x.shape[3]
        x = x + (x.sum((2, 3), keepdim=True) / area) * self.center_weight
        scale = torch.rsqrt(self.running_var + self.eps)[None, :, None, None]
        y = (x - self.running_mean[None, :, None, None]) * scale
        s = torch.sigmoid((y.sum((2, 3), keepdim=True) / area).mul(self.scale_weight).add(self.scale_bias))
        y = y * s
        return y.mul_(self.weight).add_(self.bias)


class ClosedForm(Spelling):
    """One multiply-add whose coefficients come from the instance's mean alone."""

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, self.num_features, 1, 1)
        m = functional.adaptive_avg_pool2d(x, 1)
        mu = self.running_mean.view(shape)
        inverse = 1 / torch.sqrt(self.running_var.view(shape) + self.eps)
        s = torch.sigmoid(self.scale_weight * (((1 + self.center_weight) * m - mu) * inverse) + self.scale_bias)
        a = self.weight * s * inverse
        return a * x + (self.bias + self.weight * s * (self.center_weight * m - mu) * inverse)


class SqueezeExcitation(nn.Module):
    """Not RBN: the gate is a function of all channels; it must not be mistaken for the layer."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_features)
        self.reduce = nn.Conv2d(num_features, num_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        return y * torch.sigmoid(self.reduce(functional.adaptive_avg_pool2d(y, 1)))


class FoldedConstants(Spelling):
    """The closed form with everything that is constant computed beforehand, as vectors (C, 1, 1)."""

    _NAMES = ("p", "q", "alpha", "gamma", "delta", "beta")

    def __init__(self, num_features: int) -> None:
        super().__init__(num_features)
        for name in self._NAMES:
            self.register_buffer(name, torch.zeros(num_features, 1, 1), persistent=name != "q")

    def train(self, mode: bool = True) -> "FoldedConstants":
        if not mode:
            mu = self.running_mean.view(-1, 1, 1)
            inverse = torch.rsqrt(self.running_var.view(-1, 1, 1) + self.eps)
            weight = self.weight[0] * inverse
            values = (
                self.scale_weight[0] * (1 + self.center_weight[0]) * inverse,
                self.scale_bias[0] - self.scale_weight[0] * mu * inverse,
                weight,
                weight * self.center_weight[0],
                -weight * mu,
                self.bias[0],
            )
            for name, value in zip(self._NAMES, values):
                getattr(self, name).copy_(value.detach())
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        m = x.mean((2, 3), keepdim=True)
        s = torch.sigmoid(self.p * m + self.q)
        return s * (self.alpha * x + (self.gamma * m + self.delta)) + self.beta


class Vectors(RepresentativeBatchNorm2d):
    """The published module with parameters of shape (C), which are viewed as (1, C, 1, 1)."""

    def __init__(self, num_features: int) -> None:
        super().__init__(num_features)
        self.store_parameters_as_vectors()


class TwoDimensional(Spelling):
    """On vectors (N, C): each number is its own mean."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.center_weight.flatten() * x
        y = self.normalise(x)
        s = torch.sigmoid(self.scale_weight.flatten() * y + self.scale_bias.flatten())
        return self.weight.flatten() * (y * s) + self.bias.flatten()


class Unsqueezed(RepresentativeBatchNorm2d):
    """The published module on vectors (N, C), seen as images of one pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, :, None, None]).flatten(1)


class HardGate(Spelling):
    """Nearly: a hard sigmoid."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.normalise(x + self.center_weight * x.mean((2, 3), keepdim=True))
        s = functional.hardsigmoid(self.scale_weight * y.mean((2, 3), keepdim=True) + self.scale_bias)
        return self.weight * (y * s) + self.bias


class RowGate(Spelling):
    """Nearly: a gate for each row, from the mean over W alone."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.normalise(x + self.center_weight * x.mean((2, 3), keepdim=True))
        return y * torch.sigmoid(self.scale_weight * y.mean(3, keepdim=True) + self.scale_bias)


class LargestGate(Spelling):
    """Nearly: the largest value in place of the mean."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.normalise(x + self.center_weight * x.mean((2, 3), keepdim=True))
        return y * torch.sigmoid(self.scale_weight * y.amax((2, 3), keepdim=True) + self.scale_bias)


class ForeignGate(Spelling):
    """Nearly: the gate is that of another value."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.normalise(x)
        other = functional.relu(x).mean((2, 3), keepdim=True)
        return y * torch.sigmoid(self.scale_weight * other + self.scale_bias)


class SharedGate(Spelling):
    """Nearly: one gate weight for each instance and channel of a batch of two, not for each channel."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.normalise(x)
        weight = torch.cat([self.scale_weight, self.weight])
        return y * torch.sigmoid(weight * y.mean((2, 3), keepdim=True) + self.scale_bias)


class BatchStatistics(RepresentativeBatchNorm2d):
    """Nearly: it has no running statistics and normalises by those of the batch."""

    def __init__(self, num_features: int) -> None:
        super().__init__(num_features, track_running_stats=False, in_place=False)


SPELLINGS: dict[str, Callable[[int], nn.Module]] = {
    "mean-keepdim": MeanKeepdim,
    "mean-view": MeanView,
    "affine-batch-norm": AffineBatchNorm,
    "manual-normalisation": ManualNormalisation,
    "reciprocal-root": ReciprocalRoot,
    "closed-form": ClosedForm,
    "squeeze-excitation": SqueezeExcitation,
    "published": RepresentativeBatchNorm2d,
    "centering-only": partial(RepresentativeBatchNorm2d, scaling=False),
    "scaling-only": partial(RepresentativeBatchNorm2d, centering=False),
    "without-affine": partial(RepresentativeBatchNorm2d, affine=False),
    "folded-constants": FoldedConstants,
    "vectors": Vectors,
}

# Between fully connected layers.
FLAT_SPELLINGS: dict[str, Callable[[int], nn.Module]] = {
    "two-dimensional": TwoDimensional,
    "unsqueezed": Unsqueezed,
}

# What is nearly RBN: it runs as it is written; with a part of the reason that inspection gives.
NEAR_MISSES: dict[str, tuple[Callable[[int], nn.Module], str]] = {
    "hard-gate": (HardGate, "of the mean, not the sigmoid"),
    "row-gate": (RowGate, "the mean over the dimensions [3]"),
    "largest-gate": (LargestGate, "aten.amax.default over H and W"),
    "foreign-gate": (ForeignGate, "of another value"),
    "shared-gate": (SharedGate, "not one number a channel"),
    "batch-statistics": (BatchStatistics, "statistics are those of the batch"),
}
