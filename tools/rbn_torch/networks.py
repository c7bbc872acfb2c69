"""Networks with Representative BatchNorm: torchvision's, by their `norm_layer`, and the ResNets for CIFAR."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from rbn_torch.layer import RepresentativeBatchNorm2d, randomize_norms
from rbn_torch.vision import import_torchvision

NormLayer = Callable[[int], nn.Module]


def _vision(name: str, norm_layer: NormLayer | None, options: dict[str, Any]) -> nn.Module:
    builder = getattr(import_torchvision().models, name)
    return builder(weights=None, norm_layer=norm_layer, **options)


def vision(name: str, **options: Any) -> nn.Module:
    """A network of torchvision with random weights."""
    return _vision(name, None, options)


def vision_rbn(name: str, **options: Any) -> nn.Module:
    """A network of torchvision that takes a `norm_layer`, with RBN in place of every BatchNorm."""
    return _vision(name, RepresentativeBatchNorm2d, options)


rbn_resnet18 = partial(vision_rbn, "resnet18")
rbn_resnet34 = partial(vision_rbn, "resnet34")
rbn_resnet50 = partial(vision_rbn, "resnet50")
rbn_resnet101 = partial(vision_rbn, "resnet101")
rbn_resnet152 = partial(vision_rbn, "resnet152")
rbn_resnext50_32x4d = partial(vision_rbn, "resnext50_32x4d")
rbn_wide_resnet50_2 = partial(vision_rbn, "wide_resnet50_2")
rbn_mobilenet_v2 = partial(vision_rbn, "mobilenet_v2")


class CifarBasicBlock(nn.Module):
    """Two 3×3 convolutions; the shortcut subsamples and pads with zero channels, without parameters."""

    def __init__(self, in_planes: int, planes: int, stride: int, norm_layer: NormLayer) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride, 1, bias=False)
        self.bn1 = norm_layer(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = norm_layer(planes)
        self.reshapes = stride != 1 or in_planes != planes
        self.padding = planes // 4

    def shortcut(self, x: Tensor) -> Tensor:
        if not self.reshapes:
            return x
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.padding, self.padding))

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return functional.relu(out + self.shortcut(x))


class CifarResNet(nn.Module):
    """A ResNet of depth 6n + 2 for small images, with keys `conv1`, `bn1`, `layer1.0.conv1`, …, `linear`."""

    def __init__(
        self,
        blocks: int,
        num_classes: int = 10,
        norm_layer: NormLayer = nn.BatchNorm2d,
        in_channels: int = 3,
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, widths[0], 3, 1, 1, bias=False)
        self.bn1 = norm_layer(widths[0])
        planes = widths[0]
        stages = []
        for index, width in enumerate(widths):
            layers = []
            for block in range(blocks):
                stride = 2 if index > 0 and block == 0 else 1
                layers.append(CifarBasicBlock(planes, width, stride, norm_layer))
                planes = width
            stages.append(nn.Sequential(*layers))
        self.layer1, self.layer2, self.layer3 = stages
        self.linear = nn.Linear(planes, num_classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = functional.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.linear(x)


def cifar_resnet(depth: int, **options: Any) -> CifarResNet:
    """The CIFAR ResNet of the given depth: 20, 32, 44, 56 or 110 in the paper."""
    if (depth - 2) % 6 != 0:
        raise ValueError(f"a CIFAR ResNet has a depth of 6n + 2, not {depth}")
    return CifarResNet((depth - 2) // 6, **options)


def rbn_cifar_resnet(depth: int, **options: Any) -> CifarResNet:
    """The same with RBN in place of every BatchNorm."""
    return cifar_resnet(depth, norm_layer=RepresentativeBatchNorm2d, **options)


def settle_statistics(module: nn.Module, inputs: Sequence[Tensor]) -> None:
    """Gives every norm layer the running statistics of real forward passes, so that activations stay in range.

    One pass a batch in training mode, with a cumulative average; the module is left in eval mode.
    """
    norms = [m for m in module.modules() if getattr(m, "running_mean", None) is not None]
    momenta = [norm.momentum for norm in norms]
    dropouts = [m for m in module.modules() if isinstance(m, nn.Dropout)]
    module.train()
    for dropout in dropouts:
        dropout.eval()
    with torch.no_grad():
        for count, batch in enumerate(inputs, start=1):
            for norm in norms:
                norm.momentum = 1 / count
            module(batch.clone())
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    module.eval()


def seeded(build: Callable[[], nn.Module], seed: int, shape: Sequence[int], batches: int = 1) -> nn.Module:
    """A network with reproducible random weights and with statistics that fit them, in eval mode."""
    torch.manual_seed(seed)
    module = build()
    generator = torch.Generator().manual_seed(seed)
    randomize_norms(module, generator)
    settle_statistics(module, [torch.randn(tuple(shape), generator=generator) for _ in range(batches)])
    return module
