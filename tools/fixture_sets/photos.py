"""`photos`: CC0 and public-domain photographs that come with scikit-image."""

from __future__ import annotations

import hashlib
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from fixture_sets.options import Options, say, write_json

LIMIT = 150_000


@dataclass(frozen=True)
class Photo:
    """A photograph of `skimage/data` and its terms, as scikit-image 0.26.0 states them."""

    file: str
    sha256: str
    subject: str
    licence: str
    author: str


PHOTOS = (
    Photo("chelsea.png", "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
          "a tabby cat", "CC0", "Stefan van der Walt"),
    Photo("coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
          "a cup of espresso, courtesy of Pikolo Espresso Bar", "CC0", "Rachel Michetti"),
    Photo("astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
          "Eileen Collins, astronaut", "public domain", "NASA, Great Images"),
    Photo("rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
          "the launch of DSCOVR on a Falcon 9", "CC0", "SpaceX"),
    Photo("clock_motion.png", "f029226b28b642e80113d86622e9b215ee067a0966feaf5e60604a1e05733955",
          "a wall clock, grey, taken while moving the camera", "public domain", "Stefan van der Walt"),
)


def make(folder: Path, options: Options) -> None:
    """Copies each photograph; those beyond 150 kB are stored again as JPEG of quality 92."""
    listing = []
    for photo in PHOTOS:
        source = options.data / "photos" / "skimage" / photo.file
        content = source.read_bytes()
        if hashlib.sha256(content).hexdigest() != photo.sha256:
            raise ValueError(f"{source}: not the file that scikit-image 0.26.0 has")
        changed = len(content) > LIMIT
        target = folder / photo.file
        if changed:
            target = target.with_suffix(".jpg")
            buffer = io.BytesIO()
            Image.open(source).convert("RGB").save(buffer, "JPEG", quality=92)
            target.write_bytes(buffer.getvalue())
        else:
            shutil.copyfile(source, target)
            target.chmod(0o644)
        listing.append(
            {
                "file": target.name,
                "subject": photo.subject,
                "licence": photo.licence,
                "author": photo.author,
                "source": f"scikit-image 0.26.0, skimage/data/{photo.file}",
                "source_sha256": photo.sha256,
                "changed": "stored as JPEG, quality 92" if changed else "no",
            }
        )
        say(f"  {target.name}: {target.stat().st_size:,} bytes, {photo.licence}")
    write_json(folder / "photos.json", {"schema": 1, "photos": listing})
