"""Puts Representative BatchNorm in the place of every BatchNorm2d of a network, whatever library it comes from."""

from __future__ import annotations

from torch import Tensor, nn

from rbn_torch.layer import RepresentativeBatchNorm2d


class RepresentativeBatchNormAct2d(RepresentativeBatchNorm2d):
    """RBN, then what timm's fused norm layers do besides: dropping and the activation."""

    def __init__(self, num_features: int, eps: float, drop: nn.Module, act: nn.Module, in_place: bool) -> None:
        super().__init__(num_features, eps, in_place=in_place)
        self.drop = drop
        self.act = act

    def forward(self, input: Tensor) -> Tensor:
        return self.act(self.drop(super().forward(input)))


def representative(norm: nn.BatchNorm2d, in_place: bool) -> RepresentativeBatchNorm2d:
    """The RBN layer that takes the place of a BatchNorm, with its eps and with parameters of their initial values."""
    if hasattr(norm, "act"):
        return RepresentativeBatchNormAct2d(norm.num_features, norm.eps, norm.drop, norm.act, in_place)
    return RepresentativeBatchNorm2d(norm.num_features, norm.eps, affine=norm.affine, in_place=in_place)


def replace_batch_norms(module: nn.Module, in_place: bool = True) -> int:
    """Replaces every BatchNorm2d below a module by RBN; returns how many there were.

    A layer that two places share stays shared.
    """
    made: dict[int, nn.Module] = {}
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                made.setdefault(id(child), representative(child, in_place))
                setattr(parent, name, made[id(child)])
    return len(made)
