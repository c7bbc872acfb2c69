"""Seeded weights and statistics for networks of any library, so that every layer has a say in the output."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rbn_torch.layer import NormSpread, RepresentativeBatchNorm2d, randomize_norms
from rbn_torch.networks import settle_statistics

# Pixels of the images that settle the statistics, which are one batch: with more, each would be normalised by its own statistics
# and measured under another's. Of few images the last layers' statistics fit only these, and what another image has beside them
# grows from layer to layer, rounding errors with it.
_PIXELS = 64 * 128 * 128
_FEWEST_IMAGES = 16
# Gates between 0.62 and 0.82 for most images: every parameter counts, and none lets a deviation grow from layer to layer. Biases
# that keep most units active: around zero a ReLU cuts half of what the next norm blows up again, and with it a rounding error
# grows tenfold over the fifty layers of a ResNet.
_SPREAD = NormSpread(bias=(0.5, 0.1), scale_weight=(0.0, 0.2), scale_bias=(1.0, 0.3))
# What a parameter that starts at one small constant (layer scale, residual gain) becomes, about.
_GAIN = 0.5


def images(count: int, height: int, width: int, generator: torch.Generator, channels: int = 3) -> Tensor:
    """Random images with structure at several scales, each of its own brightness and contrast.

    White noise has the same statistics everywhere: networks would see one image only.
    """
    total = torch.zeros(count, channels, height, width)
    for cells in (2, 5, 13, 41):
        field = torch.randn(count, channels, cells, cells, generator=generator)
        total += functional.interpolate(field, (height, width), mode="bicubic", align_corners=False)
    contrast = 0.7 + 0.6 * torch.rand(count, 1, 1, 1, generator=generator)
    brightness = 0.3 * torch.randn(count, channels, 1, 1, generator=generator)
    return 0.5 * contrast * total + brightness


def _randomize_constants(module: nn.Module, generator: torch.Generator) -> None:
    """Moves every parameter that starts as one constant away from it: zeroed heads, layer scales, norms' weights."""
    for layer in module.modules():
        if isinstance(layer, (RepresentativeBatchNorm2d, nn.BatchNorm2d)):
            continue
        for parameter in layer.parameters(recurse=False):
            if parameter.numel() < 2 or (parameter != parameter.flatten()[0]).any():
                continue
            constant = float(parameter.flatten()[0])
            noise = torch.randn(parameter.shape, generator=generator)
            with torch.no_grad():
                if parameter.dim() >= 2 and constant == 0:
                    parameter.copy_(noise / parameter[0].numel() ** 0.5)
                elif constant == 0:
                    parameter.copy_(0.1 * noise)
                elif abs(constant) < 0.01:
                    parameter.copy_(_GAIN + 0.1 * noise)
                else:
                    parameter.copy_(constant * (1 + 0.1 * noise))


def _without_chance(module: nn.Module) -> list[nn.Module]:
    """The layers that drop at random in training mode, whatever their class."""
    names = ("drop", "stochastic")
    return [layer for layer in module.modules() if any(name in type(layer).__name__.lower() for name in names)]


def calibrate(module: nn.Module, height: int, width: int, seed: int) -> nn.Module:
    """Gives a network seeded parameters where its builder left constants, and statistics of real passes; eval mode."""
    generator = torch.Generator().manual_seed(seed)
    randomize_norms(module, generator, _SPREAD)
    _randomize_constants(module, generator)
    rates = [(layer, name, getattr(layer, name)) for layer in _without_chance(module)
             for name in ("p", "drop_prob") if hasattr(layer, name)]
    count = max(_PIXELS // (height * width), _FEWEST_IMAGES)
    for layer, name, _ in rates:
        setattr(layer, name, 0.0)
    settle_statistics(module, [images(count, height, width, generator)])
    for layer, name, rate in rates:
        setattr(layer, name, rate)
    return module.eval()
