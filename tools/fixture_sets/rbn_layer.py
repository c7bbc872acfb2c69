"""`rbn-layer`: the layer alone in every variant, with its float64 truth and PyTorch's own float32 result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from torch import Tensor, nn

from fixture_sets.options import Options, say, write_json
from rbn_torch.golden import array, write_npz
from rbn_torch.layer import RepresentativeBatchNorm2d, float64_truth, randomize_norms


@dataclass(frozen=True)
class Variant:
    """One case: the layer's options, the input's shape and the distribution of its values."""

    name: str
    shape: tuple[int, int, int, int] = (2, 8, 7, 6)
    eps: float = 1e-5
    affine: bool = True
    track_running_stats: bool = True
    centering: bool = True
    scaling: bool = True
    vectors: bool = False
    plain: bool = False
    residual: str = "none"  # "after": output + centred input; "before": output + the input as given
    mean: float = 0.5
    deviation: float = 1.5
    saturated: bool = False


VARIANTS = (
    Variant("full"),
    Variant("no-affine", affine=False),
    Variant("centering-only", scaling=False),
    Variant("scaling-only", centering=False),
    Variant("neither", centering=False, scaling=False),
    Variant("no-affine-centering-only", affine=False, scaling=False),
    Variant("no-affine-scaling-only", affine=False, centering=False),
    Variant("no-affine-neither", affine=False, centering=False, scaling=False),
    Variant("batch-statistics", shape=(3, 8, 5, 6), track_running_stats=False),
    Variant("batch-statistics-no-affine", affine=False, track_running_stats=False),
    Variant("batch-statistics-scaling-only", centering=False, track_running_stats=False),
    Variant("batch-statistics-batch-1", shape=(1, 6, 5, 4), track_running_stats=False),
    Variant("eps-1e-3", eps=1e-3, deviation=0.05),
    Variant("parameters-as-vectors", vectors=True),
    Variant("plain-batch-norm", plain=True),
    Variant("plain-batch-norm-no-affine", plain=True, affine=False),
    Variant("plain-batch-norm-batch-statistics", plain=True, track_running_stats=False),
    Variant("large-mean", mean=1000, deviation=0.5),
    Variant("large-negative-mean", mean=-4000, deviation=2, shape=(1, 4, 16, 16)),
    Variant("large-mean-batch-statistics", mean=1000, deviation=0.5, track_running_stats=False),
    Variant("tiny-variance", mean=0.01, deviation=1e-5),
    Variant("tiny-variance-tiny-eps", mean=0.001, deviation=1e-4, eps=1e-12),
    Variant("large-values", mean=2e4, deviation=3e4),
    Variant("saturated-scale", saturated=True),
    Variant("one-pixel", shape=(2, 8, 1, 1)),
    Variant("batch-1", shape=(1, 8, 7, 7)),
    Variant("batch-3", shape=(3, 8, 6, 6)),
    Variant("channels-1", shape=(2, 1, 9, 7)),
    Variant("channels-5", shape=(2, 5, 6, 7)),
    Variant("channels-17", shape=(2, 17, 5, 5)),
    Variant("channels-64", shape=(1, 64, 4, 4)),
    Variant("wide", shape=(1, 6, 2, 31)),
    Variant("tall", shape=(1, 6, 33, 3)),
    Variant("one-row", shape=(2, 5, 1, 13)),
    Variant("in-place-trap", residual="after"),
    Variant("in-place-trap-large-mean", residual="after", mean=100),
    Variant("out-of-place-residual", residual="before"),
)


class WithReader(nn.Module):
    """The layer, and a second reader of its input: `layer(x) + x`, where x may have been centred in place."""

    def __init__(self, layer: nn.Module, reads: bool) -> None:
        super().__init__()
        self.layer = layer
        self.reads = reads

    def forward(self, x: Tensor) -> Tensor:
        output = self.layer(x)
        return output + x if self.reads else output


def build(variant: Variant, generator: torch.Generator) -> tuple[nn.Module, Tensor]:
    """The layer with random parameters and fitting statistics, and an input."""
    channels = variant.shape[1]
    if variant.plain:
        layer: nn.Module = nn.BatchNorm2d(
            channels, variant.eps, affine=variant.affine, track_running_stats=variant.track_running_stats
        )
    else:
        layer = RepresentativeBatchNorm2d(
            channels,
            variant.eps,
            variant.affine,
            variant.track_running_stats,
            variant.centering,
            variant.scaling,
            in_place=variant.residual != "before",
        )
    randomize_norms(layer, generator)
    per_channel = 1 + 0.2 * torch.rand(1, channels, 1, 1, generator=generator)
    noise = torch.randn(variant.shape, generator=generator)
    x = variant.mean * per_channel + variant.deviation * noise
    with torch.no_grad():
        if variant.saturated:
            signs = torch.where(torch.arange(channels) % 2 == 0, 1.0, -1.0).view(1, -1, 1, 1)
            layer.scale_bias.copy_(90 * signs)
        if variant.track_running_stats:
            # Statistics of another draw: near those of the input, not equal to them.
            shift = 0.1 * variant.deviation * torch.randn(channels, generator=generator)
            centre = getattr(layer, "center_weight", None)
            factor = 1 if centre is None else 1 + centre.detach().view(-1)
            layer.running_mean.copy_(variant.mean * per_channel.view(-1) * factor + shift)
            spread = 0.5 + torch.rand(channels, generator=generator)
            layer.running_var.copy_(variant.deviation**2 * spread)
            layer.num_batches_tracked.fill_(100)
    if variant.vectors:
        layer.store_parameters_as_vectors()
    return layer.eval(), x


def truth(variant: Variant, state: dict[str, numpy.ndarray], x: numpy.ndarray) -> numpy.ndarray:
    """The case's output in float64."""
    values = {key: value for key, value in state.items() if key != "num_batches_tracked"}
    output = float64_truth(values, x, variant.eps)
    wide = x.astype(numpy.float64)
    if variant.residual == "after":
        centre = values["center_weight"].astype(numpy.float64).reshape(1, -1, 1, 1)
        wide = wide + centre * wide.mean(axis=(2, 3), keepdims=True)
    return output if variant.residual == "none" else output + wide


def make(folder: Path, options: Options) -> None:
    """Writes `<name>.npz` for each variant, and `variants.json`."""
    listing = []
    for index, variant in enumerate(VARIANTS):
        generator = torch.Generator().manual_seed(1000 + index)
        layer, x = build(variant, generator)
        state = {key: array(value) for key, value in layer.state_dict().items()}
        given = array(x)
        with torch.no_grad():
            result = array(WithReader(layer, variant.residual != "none")(x.clone()))
        exact = truth(variant, state, given)
        error = float(numpy.abs(result - exact).max())
        entries = {f"state/{key}": value for key, value in state.items()}
        entries |= {"input": given, "truth": exact, "pytorch": result}
        write_npz(folder / f"{variant.name}.npz", entries)
        listing.append(
            {
                "name": variant.name,
                "file": f"{variant.name}.npz",
                "layer": "batch_norm" if variant.plain else "rbn",
                "eps": variant.eps,
                "affine": variant.affine,
                "track_running_stats": variant.track_running_stats,
                "centering": variant.centering and not variant.plain,
                "scaling": variant.scaling and not variant.plain,
                "parameters": "C" if variant.vectors or variant.plain else "1,C,1,1",
                "residual": variant.residual,
                "shape": list(variant.shape),
                "largest_output": float(numpy.abs(exact).max()),
                "pytorch_error": error,
            }
        )
        say(f"  {variant.name}: PyTorch's float32 error {error:.2e} of {numpy.abs(exact).max():.3g}")
    write_json(folder / "variants.json", {"schema": 1, "variants": listing})
