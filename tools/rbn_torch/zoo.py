"""The networks of torchvision and timm that the runtime is held to, and how each is built."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from rbn_torch.calibration import calibrate
from rbn_torch.replacing import replace_batch_norms
from rbn_torch.vision import import_torchvision


@dataclass(frozen=True)
class Network:
    """A network by name: where it comes from, the size of its images, and which sizes it can leave free."""

    name: str
    library: str
    size: int = 224
    options: dict[str, Any] = field(default_factory=dict)
    builder: str | None = None
    # Networks whose code asks for one image size can't be exported with another.
    dynamic_size: bool = True
    # What `--small` runs it at: the arithmetic is the same, and its double-precision twin takes seconds.
    small: int = 128

    def build(self) -> nn.Module:
        """The network with the weights that its builder draws."""
        models = import_torchvision().models
        builder = self.builder or self.name
        if self.library == "timm":
            return importlib.import_module("timm").create_model(builder, **self.options)
        if self.library == "torchvision.segmentation":
            return getattr(models.segmentation, builder)(weights=None, weights_backbone=None, **self.options)
        return getattr(models, builder)(weights=None, **self.options)

    def seeded(self, representative: bool) -> tuple[nn.Module, int]:
        """The network with seeded weights and calibrated statistics in eval mode, and its number of RBN layers."""
        seed = sum(self.name.encode()) * 2 + representative
        torch.manual_seed(seed)
        module = self.build()
        count = replace_batch_norms(module) if representative else 0
        return calibrate(module, self.size, self.size, seed), count

    def at_small_size(self) -> "Network":
        """The network on small images, where its code takes them."""
        return replace(self, size=self.small) if self.dynamic_size else self


def _torchvision(*names: str, small: int = 128) -> list[Network]:
    return [Network(name, "torchvision", small=small) for name in names]


def _timm(*names: str, small: int = 128) -> list[Network]:
    return [Network(name, "timm", small=small) for name in names]


_NO_AUXILIARY = {"aux_logits": False, "init_weights": True}
_SEGMENTATION = "torchvision.segmentation"

NETWORKS: dict[str, Network] = {
    network.name: network
    for network in [
        *_torchvision("resnet18", small=224),
        *_torchvision("resnet50", "resnext50_32x4d", "wide_resnet50_2"),
        *_torchvision("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "efficientnet_b0", small=224),
        *_torchvision("efficientnet_v2_s", "densenet121", "vgg16_bn"),
        *_torchvision("squeezenet1_1", "shufflenet_v2_x1_0", small=224),
        Network("googlenet", "torchvision", options=_NO_AUXILIARY),
        Network("inception_v3", "torchvision", 299, _NO_AUXILIARY, small=171),
        *_torchvision("regnet_y_400mf", small=224),
        *_torchvision("convnext_tiny"),
        *_torchvision("mnasnet1_0", "alexnet", small=224),
        Network("fcn_resnet50", _SEGMENTATION, options={"aux_loss": True}),
        Network("deeplabv3_resnet50", _SEGMENTATION),
        Network("lraspp_mobilenet_v3_large", _SEGMENTATION, small=224),
        *_timm("res2net50_26w_4s", "resnet50d", "seresnet50", "ecaresnet50d"),
        *_timm("repvgg_a0", small=224),
        *_timm("hrnet_w18", "dla34", "resnest50d"),
        Network("xception41", "timm", 299),
        *_timm("vovnet39a", "ese_vovnet39b", "cspresnet50"),
        *_timm("ghostnet_100", "mixnet_s", small=224),
        *_timm("resnet50_gn"),
        Network("vit_tiny_patch16_224", "timm", dynamic_size=False),
        Network("swin_tiny_patch4_window7_224", "timm", dynamic_size=False),
    ]
}
