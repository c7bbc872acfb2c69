"""Makes the small files of fixtures/formats with NumPy and PyTorch.

The Swift tests read them to make sure that RBNFormats understands what these two write. All values are
formulas of the element's index, which the tests repeat; no randomness.

Usage: python tools/make_format_fixtures.py [folder]
"""

import io
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent))

from rbn_torch.earlier_layouts import LAYOUTS, earlier_archive


def arrays() -> dict[str, np.ndarray]:
    """Arrays of every dtype that RBNFormats reads; element i has the value (i * 7) % 5."""
    values = (np.arange(24) * 7) % 5
    made = {}
    for code in ["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]:
        made[f"little.{code}"] = values.astype("<" + code).reshape(2, 3, 4)
        made[f"big.{code}"] = values.astype(">" + code).reshape(2, 3, 4)
        made[f"fortran.{code}"] = np.asfortranarray(values.astype("<" + code).reshape(2, 3, 4))
    made["bool"] = (values == 1).reshape(2, 3, 4)
    made["scalar"] = np.float32(2.5)
    made["vector"] = np.arange(3, dtype="<f4")
    made["empty"] = np.zeros((2, 0, 3), dtype="<f4")
    made["folder/name"] = np.arange(2, dtype="<f4")
    return made


def refused_arrays() -> dict[str, np.ndarray]:
    return {
        "object": np.array([None, {}], dtype=object),
        "complex": np.zeros(2, dtype="c8"),
        "bytes": np.array([b"ab"]),
        "text": np.array(["ab"]),
        "structured": np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]),
        "date": np.array(["2020-01-01"], dtype="M8[D]"),
    }


class Calibrated(nn.Module):
    """Centers in place, as Representative BatchNorm does, then normalises."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.center_weight = nn.Parameter(torch.full((1, channels, 1, 1), 0.5))
        self.bn = nn.BatchNorm2d(channels, affine=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x += self.center_weight * nn.functional.adaptive_avg_pool2d(x, 1)
        return self.bn(x)


class Network(nn.Module):
    """Every way in which an archive of torch.export stores a tensor or passes an argument."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Calibrated(4))
        self.fc = nn.Linear(4, 2)
        self.tied = nn.Linear(4, 2)
        self.tied.weight = self.fc.weight
        self.sliced = nn.Parameter(torch.arange(24.0).reshape(4, 6)[:, ::2].t())
        self.channels_last = nn.Parameter(
            torch.arange(96.0).reshape(8, 3, 2, 2).to(memory_format=torch.channels_last)
        )
        self.narrow = nn.Parameter(torch.arange(5).half())
        self.register_buffer("index", torch.arange(3))
        self.register_buffer("scale", torch.tensor([2.0]), persistent=False)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        y = self.layer1(x).relu().mean((2, 3))
        a, b = torch.split(y, [1, 3], 1)
        y = torch.cat([a, b], 1) * self.scale * torch.tensor(3.0)
        y = y + self.sliced.sum() + self.channels_last.sum() + self.narrow.float().sum() + self.index.sum()
        y = y.to(torch.float32).reshape(x.shape[0], -1)
        return self.fc(y), self.tied(y).clamp(min=-1e9, max=float("inf")), torch.full_like(y, float("-inf"))


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "fixtures" / "formats"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "numpy.npz", **arrays())
    np.savez_compressed(folder / "numpy-compressed.npz", **arrays())
    for version in [(1, 0), (2, 0), (3, 0)]:
        with open(folder / f"version{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, np.arange(6, dtype="<f4").reshape(2, 3), version=version)
    for name, array in refused_arrays().items():
        np.save(folder / f"refused-{name}.npy", array, allow_pickle=True)

    state = {"a": torch.arange(100.0), "b": torch.ones(3, 4, dtype=torch.int64)}
    torch.save(state, folder / "state.pth")
    torch.serialization.set_crc32_options(False)
    torch.save(state, folder / "state-without-crc.pth")
    torch.serialization.set_crc32_options(True)

    network = Network().eval()
    with torch.no_grad():
        for parameter in [network.fc.weight, network.layer1[0].weight]:
            parameter.copy_(torch.arange(float(parameter.numel())).reshape(parameter.shape))
        for parameter in [network.fc.bias, network.tied.bias, network.layer1[0].bias]:
            parameter.zero_()
    program = torch.export.export(
        network, (torch.zeros(2, 3, 8, 8),), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},)
    )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # It names files of the machine that exports.
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    (folder / "network.pt2").write_bytes(buffer.getvalue())
    for layout in LAYOUTS:
        (folder / f"network-{layout}.pt2").write_bytes(earlier_archive(program, layout))


if __name__ == "__main__":
    main()
