"""`digits`: an RBN ResNet-20 trained on the scikit-learn digits, with its held-out images.

Weights are rounded to float16 after training, so that the checkpoint, which stores them so, and the exported program,
which stores float32, hold the same network.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn import functional

from fixture_sets.options import Options, say, write_json
from rbn_torch.checkpoints import round_weights
from rbn_torch.command import convert
from rbn_torch.exporting import export_program, input_names, output_names, save_program
from rbn_torch.golden import array, record, write_npz
from rbn_torch.networks import CifarResNet, rbn_cifar_resnet
from rbn_torch.preprocessing import apply

SEED = 20
HELD_OUT = 360
EPOCHS = 24
BATCH = 64
IMAGES = 20

PREPROCESSING = {
    "resize": {"mode": "squash", "size": [8, 8]},
    "interpolation": "bilinear",
    "crop": None,
    "mean": [0.3],
    "std": [0.375],
    "channels": 1,
}


def pixels(images: numpy.ndarray) -> numpy.ndarray:
    """The digits' grey levels 0…16 as bytes 0…255."""
    return numpy.rint(images * (255 / 16)).astype(numpy.uint8)


def normalised(images: numpy.ndarray) -> Tensor:
    """(N, 8, 8) bytes as the network's input (N, 1, 8, 8)."""
    return torch.from_numpy(numpy.stack([apply(Image.fromarray(image, "L"), PREPROCESSING) for image in images]))


def shifted(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Each image moved by −1, 0 or 1 pixel in each direction, with background moved in."""
    background = (0 - PREPROCESSING["mean"][0]) / PREPROCESSING["std"][0]
    padded = functional.pad(batch, (1, 1, 1, 1), value=background)
    offsets = torch.randint(0, 3, (len(batch), 2), generator=generator)
    return torch.stack([image[:, y : y + 8, x : x + 8] for image, (y, x) in zip(padded, offsets.tolist())])


def train(x: Tensor, labels: Tensor) -> CifarResNet:
    """The trained network in eval mode."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    network = rbn_cifar_resnet(20, in_channels=1)
    steps = EPOCHS * (len(x) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    for epoch in range(EPOCHS):
        network.train()
        total = 0.0
        order = torch.randperm(len(x), generator=generator)
        for start in range(0, len(x) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            loss = functional.cross_entropy(network(shifted(x[chosen], generator)), labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        if epoch % 4 == 3:
            say(f"  epoch {epoch + 1} of {EPOCHS}: loss {total / (len(x) // BATCH):.3f}")
    return network.eval()


def make(folder: Path, options: Options) -> None:
    """Trains, and writes checkpoint, program, golden values, held-out images and what they should give."""
    digits = load_digits()
    indices = numpy.arange(len(digits.target))
    training, held_out = train_test_split(indices, test_size=HELD_OUT, random_state=SEED, stratify=digits.target)
    held_out = numpy.sort(held_out)
    images = pixels(digits.images)
    network = train(normalised(images[training]), torch.from_numpy(digits.target[training]))
    round_weights(network, torch.float16)

    inputs = normalised(images[held_out])
    labels = digits.target[held_out].astype(numpy.int64)
    with torch.no_grad():
        logits = network(inputs.clone())
    right = int((logits.argmax(1).numpy() == labels).sum())
    say(f"  {right} of {len(labels)} held-out images right: {right / len(labels):.2%}")

    state = {key: value.half() if value.is_floating_point() else value for key, value in network.state_dict().items()}
    torch.save(state, folder / "digits-rbn.pth")
    example = inputs[:1]
    program = export_program(network, [example], dynamic_batch=True)
    save_program(program, folder / "digits-rbn.pt2")
    names = (input_names(program), output_names(program))
    golden = record(network, [example], *names)
    write_npz(folder / "digits-rbn.npz", golden)
    held = {"inputs": array(inputs), "pixels": images[held_out], "labels": labels, "logits": array(logits)}
    write_npz(folder / "heldout.npz", held | {"indices": held_out.astype(numpy.int64)})

    pictures = folder / "images"
    pictures.mkdir(exist_ok=True)
    for old in pictures.glob("*.png"):
        old.unlink()
    for index, label in list(zip(held_out.tolist(), labels.tolist()))[:IMAGES]:
        Image.fromarray(images[index], "L").save(pictures / f"{index:04d}-is-{label}.png")
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in digits.target_names), encoding="utf-8")
    write_json(folder / "preprocessing.json", PREPROCESSING)
    facts = {
        "schema": 1,
        "architecture": "resnet20",
        "normalisation": "RBN",
        "parameters": sum(value.numel() for value in network.parameters()),
        "training_images": len(training),
        "held_out_images": len(held_out),
        "held_out_right": right,
        "held_out_accuracy": right / len(labels),
        "preprocessing": PREPROCESSING,
        "labels": "labels.txt",
    }
    write_json(folder / "digits.json", facts)
    if options.rbn is not None:
        convert(
            options.rbn,
            folder / "digits-rbn.pt2",
            folder / "digits-rbn.rbn",
            labels=folder / "labels.txt",
            preprocessing=folder / "preprocessing.json",
            dtype="float16",
            provenance={"data": "scikit-learn digits", "accuracy": json.dumps(round(right / len(labels), 4))},
        )
