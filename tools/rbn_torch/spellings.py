"""Representative BatchNorm written as people write it: one arithmetic, many graphs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rbn_torch.layer import RepresentativeBatchNorm2d


class Spelling(RepresentativeBatchNorm2d):
    """The parameters of the layer; subclasses spell its arithmetic. Never in place unless said."""

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__(num_features, eps, in_place=False)

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


SPELLINGS: dict[str, type[nn.Module]] = {
    "mean-keepdim": MeanKeepdim,
    "mean-view": MeanView,
    "affine-batch-norm": AffineBatchNorm,
    "manual-normalisation": ManualNormalisation,
    "reciprocal-root": ReciprocalRoot,
    "closed-form": ClosedForm,
    "squeeze-excitation": SqueezeExcitation,
}
