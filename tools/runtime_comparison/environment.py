"""A virtual environment with the other runtimes, made where it is not there yet."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path
from typing import Sequence

# The build of PyTorch without CUDA where pip is told of it (by an index or a find-links folder), else PyPI's.
TORCH = ("torch==2.13.0+cpu", "torch==2.13.0")
PACKAGES = (
    "numpy==2.4.6",
    "pillow==13.0.0",
    "onnx==1.23.2",
    "onnxscript==0.7.2",
    "onnxruntime==1.32.0",
    "openvino==2026.4.1",
    "ncnn==1.0.20261020",
    "matplotlib==3.11.2",
)
# With their dependencies these would bring in another PyTorch.
WITHOUT_DEPENDENCIES = ("torchvision==0.28.0", "pnnx==20261020")
# Written last: an environment without it is unfinished.
STAMP = "runtimes.txt"


class SetupError(Exception):
    """The environment can't be made; the message says why."""


def python_of(folder: Path) -> Path:
    return folder / "bin" / "python"


def is_current(folder: Path) -> bool:
    """Whether this process runs in the environment."""
    return Path(sys.prefix).resolve() == folder.resolve()


def requirements() -> str:
    return "\n".join((*TORCH, *PACKAGES, *WITHOUT_DEPENDENCIES)) + "\n"


def ensure(folder: Path, pip_arguments: Sequence[str]) -> None:
    """Makes the environment, or completes it; nothing happens where it is complete."""
    stamp = folder / STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == requirements():
        return
    print(f"Installing the runtimes into {folder}; this takes some minutes the first time", file=sys.stderr)
    if not python_of(folder).exists():
        venv.create(folder, with_pip=True)
    if not any(_pip(folder, pip_arguments, [build], optional=build != TORCH[-1]) for build in TORCH):
        raise SetupError("PyTorch can't be installed")
    _pip(folder, pip_arguments, PACKAGES)
    _pip(folder, pip_arguments, ["--no-deps", *WITHOUT_DEPENDENCIES])
    stamp.write_text(requirements(), encoding="utf-8")


def _pip(folder: Path, pip_arguments: Sequence[str], packages: Sequence[str], optional: bool = False) -> bool:
    words = [str(python_of(folder)), "-m", "pip", "install", "--quiet", *pip_arguments, *packages]
    result = subprocess.run(words, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0 and not optional:
        raise SetupError(f"pip install {' '.join(packages)} failed:\n{result.stderr.strip()}")
    return result.returncode == 0


def versions(names: Sequence[str]) -> dict[str, str]:
    """The installed versions of packages, in this process's environment."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
