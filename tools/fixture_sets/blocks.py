"""`blocks`: residual blocks with RBN, and the layer in several spellings, as exported programs with golden values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from fixture_sets.options import Options, say, write_json
from rbn_torch.exporting import export_program, input_names, output_names, save_program
from rbn_torch.golden import record, write_npz
from rbn_torch.layer import RepresentativeBatchNorm2d
from rbn_torch.networks import CifarBasicBlock, seeded
from rbn_torch.earlier_layouts import LAYOUTS, earlier_archive
from rbn_torch.spellings import FLAT_SPELLINGS, NEAR_MISSES, SPELLINGS
from rbn_torch.vision import import_torchvision

RBN = RepresentativeBatchNorm2d


class PreActivationBlock(nn.Module):
    """norm, ReLU, convolution, twice, and a trunk that reads the input of the first norm.

    With in-place centring the trunk carries the centred tensor.
    """

    def __init__(self, planes: int, in_place: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(planes, planes, 1, bias=False)
        self.bn1 = RBN(planes, in_place=in_place)
        self.conv1 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = RBN(planes, in_place=in_place)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        out = self.conv1(functional.relu(self.bn1(x)))
        out = self.conv2(functional.relu(self.bn2(out)))
        return out + x


class DenseBlock(nn.Module):
    """Every layer reads what all layers before it made, some of it already centred in place."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(planes, planes, 1, bias=False)
        self.norm1 = RBN(planes)
        self.conv1 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.norm2 = RBN(2 * planes)
        self.conv2 = nn.Conv2d(2 * planes, planes, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        first = self.stem(x)
        second = self.conv1(functional.relu(self.norm1(first)))
        joined = torch.cat([first, second], 1)
        third = self.conv2(functional.relu(self.norm2(joined)))
        return torch.cat([first, second, third], 1)


class Siblings(nn.Module):
    """Two norms that centre one tensor in place, one after the other, and a view that sees both."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(planes, planes, 3, padding=1)
        self.norm1 = RBN(planes)
        self.norm2 = RBN(planes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        flat = x.flatten(1)
        result = self.norm1(x) * self.norm2(x)
        return result + flat.view_as(x)


class SharedNorm(nn.Module):
    """One norm module called twice."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.norm = RBN(planes)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(functional.relu(self.norm(self.conv(x)))))


class Surrounded(nn.Module):
    """A spelling of the layer between a convolution and a ReLU."""

    def __init__(self, spelling: Callable[[int], nn.Module], planes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.norm = spelling(planes)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.conv(x)))


class BatchCentering(nn.Module):
    """A network that mixes the images of a batch, as none may that is to be batched for several callers."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(planes, planes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.conv(x))
        return x - x.mean(0, keepdim=True)


class Flat(nn.Module):
    """A spelling of the layer between a fully connected layer and a ReLU."""

    def __init__(self, spelling: Callable[[int], nn.Module], planes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(planes, planes)
        self.norm = spelling(planes)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.fc(x)))


class Shuffled(nn.Module):
    """Branches side by side whose channels are interleaved, as ShuffleNet does it."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.left = nn.Conv2d(planes, planes, 1)
        self.right = nn.Conv2d(planes, planes, 3, padding=1)
        self.last = nn.Conv2d(planes, planes, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.left(x), self.right(x)], 1)
        batch, channels, height, width = x.shape
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).contiguous()
        kept, x = x.view(batch, channels, height, width).chunk(2, 1)
        return torch.cat([kept, self.last(x)], 1)


def downsample(inplanes: int, planes: int, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inplanes, planes, 1, stride, bias=False), RBN(planes))


def vision_block(kind: str, *arguments: int, **options: object) -> nn.Module:
    """A block of torchvision with RBN."""
    models = import_torchvision().models
    if kind == "inverted-residual":
        return models.mobilenetv2.InvertedResidual(*arguments, norm_layer=RBN, **options)
    block = models.resnet.BasicBlock if kind == "basic" else models.resnet.Bottleneck
    return block(*arguments, norm_layer=RBN, **options)


@dataclass(frozen=True)
class Case:
    """One block: how it is built, and the shape of its input."""

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...] = (2, 8, 7, 5)
    dynamic: bool = False
    channels_last: bool = False
    decomposed: bool = True
    # The layouts of earlier versions of PyTorch that the program is saved in too.
    layouts: tuple[str, ...] = ()
    near_miss: str | None = None


def cases() -> list[Case]:
    listing = [
        Case("basic", lambda: vision_block("basic", 8, 8)),
        Case(
            "basic-downsample",
            lambda: vision_block("basic", 8, 12, stride=2, downsample=downsample(8, 12, 2)),
            decomposed=False,
        ),
        Case("basic-cifar-shortcut", lambda: CifarBasicBlock(8, 16, 2, RBN)),
        Case("bottleneck", lambda: vision_block("bottleneck", 16, 4), (2, 16, 4, 5), decomposed=False),
        Case(
            "bottleneck-downsample",
            lambda: vision_block("bottleneck", 8, 4, stride=2, downsample=downsample(8, 16, 2)),
            decomposed=False,
        ),
        Case("basic-batch-norm", _plain_basic),
        Case("pre-activation-in-place", lambda: PreActivationBlock(8, True)),
        Case("pre-activation", lambda: PreActivationBlock(8, False), decomposed=False),
        Case("dense-in-place", lambda: DenseBlock(6), (2, 6, 5, 6), decomposed=False),
        Case("siblings-in-place", lambda: Siblings(6), (2, 6, 5, 8)),
        Case("shared-norm", lambda: SharedNorm(6), (2, 6, 6, 5)),
        Case("inverted-residual", lambda: vision_block("inverted-residual", 8, 8, 1, 2), decomposed=False),
        Case("basic-dynamic", lambda: vision_block("basic", 8, 8), dynamic=True, layouts=LAYOUTS),
        Case("basic-channels-last", lambda: vision_block("basic", 8, 8), channels_last=True, decomposed=False),
    ]
    for name, spelling in SPELLINGS.items():
        listing.append(Case(f"spelling-{name}", lambda spelling=spelling: Surrounded(spelling, 8), (2, 8, 5, 6)))
    for name, spelling in FLAT_SPELLINGS.items():
        listing.append(Case(f"spelling-{name}", lambda spelling=spelling: Flat(spelling, 8), (4, 8)))
    for name, (spelling, reason) in NEAR_MISSES.items():
        build = lambda spelling=spelling: Surrounded(spelling, 8)
        listing.append(Case(f"near-miss-{name}", build, (2, 8, 5, 6), near_miss=reason))
    listing.append(Case("channel-shuffle", lambda: Shuffled(6), (2, 6, 5, 4)))
    listing.append(Case("channel-shuffle-dynamic", lambda: Shuffled(6), (2, 6, 5, 4), dynamic=True))
    listing.append(
        Case("batch-centering", lambda: BatchCentering(4), (2, 4, 5, 6), dynamic=True, decomposed=False)
    )
    return listing


def _plain_basic() -> nn.Module:
    return import_torchvision().models.resnet.BasicBlock(8, 8)


def make(folder: Path, options: Options) -> None:
    """Writes `<name>.pt2`, for most `<name>-decomposed.pt2`, and `<name>.npz` for each case, and `blocks.json`."""
    listing = []
    for index, case in enumerate(cases()):
        module = seeded(case.build, 2000 + index, case.shape)
        if case.channels_last:
            module = module.to(memory_format=torch.channels_last)
        x = torch.randn(case.shape, generator=torch.Generator().manual_seed(3000 + index))
        program = export_program(module, [x], case.dynamic, case.dynamic)
        save_program(program, folder / f"{case.name}.pt2")
        programs = [f"{case.name}.pt2"]
        if case.decomposed:
            programs.append(f"{case.name}-decomposed.pt2")
            decomposed = export_program(module, [x], case.dynamic, case.dynamic, decompose=True)
            save_program(decomposed, folder / programs[1])
        for layout in case.layouts:
            programs.append(f"{case.name}-{layout}.pt2")
            (folder / programs[-1]).write_bytes(earlier_archive(program, layout))
        entries = record(module, [x], input_names(program), output_names(program))
        write_npz(folder / f"{case.name}.npz", entries)
        listing.append(
            {
                "name": case.name,
                "programs": programs,
                "golden": f"{case.name}.npz",
                "shape": list(case.shape),
                "dynamic": case.dynamic,
                "rbn_layers": sum(isinstance(m, RBN) for m in module.modules()),
                **({} if case.near_miss is None else {"near_miss": case.near_miss}),
            }
        )
        say(f"  {case.name}: {len(program.graph.nodes)} nodes, {len(entries)} tensors")
    write_json(folder / "blocks.json", {"schema": 1, "blocks": listing})
