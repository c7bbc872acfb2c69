"""What is measured: networks, batch sizes and threads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RUNTIMES = ("swift-rbn", "onnxruntime", "openvino", "torch.compile", "torch", "ncnn")
OURS = RUNTIMES[0]
# The two forms of each network: with BatchNorm, and with Representative BatchNorm in the place of every one.
VARIANTS = ("bn", "rbn")
SIZE = 224


@dataclass(frozen=True)
class Case:
    """One row of the comparison."""

    name: str
    network: str
    batch: int = 1
    threads: int = 2

    @property
    def title(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{TITLES[self.network]}, batch {self.batch}, {threads}"


TITLES = {
    "resnet50": "ResNet-50",
    "resnet18": "ResNet-18",
    "resnext50_32x4d": "ResNeXt-50 32x4d",
    "mobilenet_v2": "MobileNetV2",
}

CASES = (
    Case("resnet50", "resnet50"),
    Case("resnet50-1-thread", "resnet50", threads=1),
    Case("resnet50-batch-8", "resnet50", batch=8),
    Case("resnet18", "resnet18"),
    Case("resnext50", "resnext50_32x4d"),
    Case("mobilenet_v2", "mobilenet_v2"),
)


@dataclass(frozen=True)
class Exported:
    """The files of one network in one variant at one batch size; every runtime's file has the same weights."""

    folder: Path
    network: str
    variant: str
    batch: int

    @property
    def stem(self) -> Path:
        return self.folder / f"{self.network}-{self.variant}-b{self.batch}"

    def file(self, suffix: str) -> Path:
        return self.stem.with_name(self.stem.name + suffix)

    @property
    def input(self) -> Path:
        """The input as float32."""
        return self.file(".input.npy")

    @property
    def expected(self) -> Path:
        """The logits that PyTorch computes in float64."""
        return self.file(".expected.npy")

    def model(self, runtime: str) -> Path:
        """The file that a runtime loads."""
        suffixes = {
            "swift-rbn": ".pt2",
            "onnxruntime": ".onnx",
            "openvino": ".xml",
            "torch.compile": ".pth",
            "torch": ".pth",
            "ncnn": ".ncnn.param",
        }
        return self.file(suffixes[runtime])
