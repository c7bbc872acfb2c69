#!/usr/bin/env python3
"""Writes fixtures/images: small images and what Pillow and torchvision make of them.

decode/      encoded images, each with the pixels of convert("RGB") as a PPM of the same name
orientation/ one photograph in the eight EXIF orientations, with the pixels of ImageOps.exif_transpose
resize/      PPMs named <width>x<height>-<filter>, made of resize/source.ppm
tensors/     float32 tensors (little-endian, C H W) of torchvision's transforms, listed in tensors.txt
malformed/   files that must be refused, named by their defect; errors.txt lists their error codes
digests.txt  sha256 of the decoded and resized pixels of photographs that are not part of the repository

Needs pillow, numpy, torch and torchvision. Run it from the root of the repository:
tools/make_image_goldens.py [--data ../shared/data]
"""

import argparse
import hashlib
import io
import pathlib
import struct
import sys
import zlib

import numpy as np
import torch

# torchvision registers these operators' shape functions on import, also where its C++ part is absent.
DECLARATIONS = torch.library.Library("torchvision", "FRAGMENT")
for operator in ("nms", "qnms"):
    try:
        DECLARATIONS.define(operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    except RuntimeError:
        pass
from PIL import Image, ImageFile, ImageOps  # noqa: E402
from torchvision import transforms  # noqa: E402

FILTERS = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def picture(width, height, seed):
    """A smooth colourful picture with some noise, so that JPEG has something to do."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = [np.sin(x * f + y * g + p) for f, g, p in rng.uniform(0, 9, (3, 3))]
    pixels = 128 + 100 * np.stack(waves, -1) + rng.normal(0, 12, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")


def noise(shape, seed, high=256, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, high, shape, dtype=dtype)


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def write_ppm(path, image):
    image = image.convert("RGB")
    path.write_bytes(b"P6\n%d %d\n255\n" % image.size + image.tobytes())


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(width, height, depth, colour, rows, interlace=0, extra=b"", tail=b""):
    """A PNG of rows that are packed already, for what Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows), 9)
    return SIGNATURE + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + tail + chunk(b"IEND", b"")


def jpegs():
    odd = picture(37, 23, 1)
    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        yield f"baseline-{name}.jpg", encoded(odd, "JPEG", subsampling=sampling, quality=85)
        yield f"progressive-{name}.jpg", encoded(odd, "JPEG", subsampling=sampling, quality=70, progressive=True)
    yield "one-pixel.jpg", encoded(picture(1, 1, 2), "JPEG")
    yield "restart.jpg", encoded(picture(40, 40, 3), "JPEG", restart_marker_blocks=2)
    yield "rgb.jpg", encoded(odd, "JPEG", keep_rgb=True)
    yield "grey.jpg", encoded(odd.convert("L"), "JPEG")
    cmyk = encoded(Image.fromarray(noise((19, 21, 4), 4), "CMYK"), "JPEG", quality=90)
    yield "cmyk.jpg", cmyk
    adobe = cmyk.find(b"Adobe")
    yield "ycck.jpg", cmyk[: adobe + 11] + b"\2" + cmyk[adobe + 12 :]
    yield "cmyk-no-adobe.jpg", cmyk[: adobe - 4] + cmyk[adobe + 12 :]
    # Sampling factors that have no name: 4:2:0 data read as 3x1, and as luma 1x4.
    plain = encoded(odd, "JPEG", subsampling=2, quality=85)
    frame = plain.find(b"\xff\xc0")
    for name, factors in (("410", 0x41), ("440", 0x12), ("14", 0x14)):
        yield f"sampling-{name}.jpg", plain[: frame + 11] + bytes([factors]) + plain[frame + 12 :]
    # Damage that libjpeg warns about and Pillow tolerates.
    scan = plain.find(b"\xff\xda")
    yield "warning-early-end.jpg", plain[: scan + 200] + b"\xff\xd9"
    flipped = bytearray(plain)
    flipped[scan + 60] ^= 0x10
    yield "warning-flipped-bit.jpg", bytes(flipped)
    yield "warning-junk-before-marker.jpg", plain[:scan] + b"\0\1\2" + plain[scan:]
    # Motion JPEG leaves out the standard tables.
    yield "no-huffman-tables.jpg", plain[: plain.find(b"\xff\xc4")] + plain[scan:]
    yield "trailing-bytes.jpg", plain + b"trailing bytes"


def pngs():
    odd = picture(37, 23, 5)
    yield "rgb.png", encoded(odd, "PNG")
    yield "rgba.png", encoded(Image.fromarray(noise((9, 13, 4), 6), "RGBA"), "PNG")
    yield "grey.png", encoded(odd.convert("L"), "PNG")
    yield "grey-alpha.png", encoded(Image.fromarray(noise((9, 13, 2), 7), "LA"), "PNG")
    yield "palette.png", encoded(odd.quantize(40), "PNG")
    yield "palette-transparent.png", encoded(odd.quantize(12), "PNG", transparency=3)
    for depth in (1, 2, 4):
        rows = noise((11, (17 * depth + 7) // 8), 8 + depth)
        yield f"grey-{depth}.png", png(17, 11, depth, 0, rows)
        colours = noise((2**depth, 3), 12 + depth).tobytes()
        yield f"palette-{depth}.png", png(17, 11, depth, 3, rows, extra=chunk(b"PLTE", colours))
    short = chunk(b"PLTE", noise((2, 3), 20).tobytes())
    yield "palette-index-out-of-range.png", png(17, 11, 2, 3, noise((11, 5), 21), extra=short)
    for name, colour, samples in (("grey", 0, 1), ("rgb", 2, 3), ("grey-alpha", 4, 2), ("rgba", 6, 4)):
        yield f"{name}-16.png", png(7, 9, 16, colour, noise((9, 7 * samples * 2), 30 + colour))
    dark = noise((9, 7), 40, high=400, dtype=np.uint16).astype(">u2").view(np.uint8)
    yield "grey-16-dark.png", png(7, 9, 16, 0, dark)
    yield "rgb-transparent-colour.png", png(
        7, 9, 8, 2, noise((9, 21), 41, high=2), extra=chunk(b"tRNS", b"\0\1\0\1\0\1"))
    yield "gamma.png", png(7, 9, 8, 2, noise((9, 21), 42), extra=chunk(b"gAMA", struct.pack(">I", 22000)))
    yield "no-end.png", png(7, 9, 8, 2, noise((9, 21), 43))[:-12]
    profile = chunk(b"iCCP", b"nonsense\0\0" + zlib.compress(bytes(128) + b"\xff" * 300))
    yield "profile-nonsense.png", png(7, 9, 8, 2, noise((9, 21), 44), extra=profile)
    yield "exif-nonsense.png", png(7, 9, 8, 2, noise((9, 21), 45), extra=chunk(b"eXIf", HOSTILE_TIFF))
    text = chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(range(1, 256)) * 40))
    yield "text-not-utf8.png", png(7, 9, 8, 2, noise((9, 21), 46), extra=text)


def hostile_metadata():
    """JPEGs whose EXIF, ICC and XMP segments lie about their sizes and places: no reason to refuse the pixels."""
    photo = encoded(picture(24, 16, 55), "JPEG")
    segment = lambda marker, content: bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content  # noqa: E731
    start = lambda *segments: photo[:2] + b"".join(segments) + photo[2:]  # noqa: E731
    yield "exif-nonsense.jpg", start(segment(0xE1, b"Exif\0\0" + HOSTILE_TIFF))
    yield "exif-cut.jpg", start(segment(0xE1, b"Exif\0\0" + HOSTILE_TIFF[:13]))
    yield "profile-nonsense.jpg", start(segment(0xE2, b"ICC_PROFILE\0\xff\x01" + b"\xff" * 200))
    yield "xmp-nonsense.jpg", start(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0tiff:Orientation=\""))


# A directory whose one entry, the orientation, has 2^32 - 1 values far outside, and whose next directory is itself.
HOSTILE_TIFF = struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 0x0112, 3, 0xFFFFFFFF, 0xFFFFFFF0, 8)


def truncated():
    """Names and bytes of images that end early."""
    photo = encoded(picture(37, 23, 1), "JPEG", quality=85, subsampling=2)
    yield "cut-at-80.jpg", photo[: len(photo) * 8 // 10]
    yield "cut-at-95.jpg", photo[: len(photo) * 95 // 100]
    for name, colour, samples, depth in (("rgb", 2, 3, 8), ("grey", 0, 1, 8), ("rgba", 6, 4, 8)):
        good = png(37, 23, depth, colour, noise((23, 37 * samples), 90 + colour))
        for percent in (50, 80, 95):
            yield f"{name}-cut-at-{percent}.png", good[: len(good) * percent // 100]


def malformed():
    """Names, bytes and the code of the error that each must give."""
    photo = encoded(picture(24, 16, 50), "JPEG")
    frame, scan = photo.find(b"\xff\xc0"), photo.find(b"\xff\xda")
    jpeg = lambda at, value: photo[: frame + at] + value + photo[frame + at + len(value) :]  # noqa: E731
    yield "no-end-marker.jpg", photo[:-2], "image.jpeg-truncated"
    yield "cut-in-scan.jpg", photo[: scan + 60], "image.jpeg-truncated"
    yield "cut-in-header.jpg", photo[: frame + 5], "image.jpeg-truncated"
    yield "no-frame.jpg", photo[:frame] + b"\xff\xd9", "image.jpeg-corrupt"
    yield "segment-length-0.jpg", photo[: frame + 2] + b"\0\0" + photo[frame + 4 :], "image.jpeg-corrupt"
    yield "undefined-table.jpg", photo[: scan + 6] + b"\x33" + photo[scan + 7 :], "image.jpeg-corrupt"
    later = photo[:scan] + b"\0\1\2" + photo[scan : scan + 6] + b"\x33" + photo[scan + 7 :]
    yield "undefined-table-after-warning.jpg", later, "image.jpeg-corrupt"
    yield "height-0.jpg", jpeg(5, b"\0\0"), "image.jpeg-corrupt"
    yield "12-bit.jpg", jpeg(4, b"\x0c"), "image.jpeg-unsupported"
    yield "lossless.jpg", jpeg(1, b"\xc3"), "image.jpeg-unsupported"
    yield "hierarchical.jpg", jpeg(1, b"\xc5"), "image.jpeg-unsupported"
    yield "two-components.jpg", jpeg(9, b"\x02"), "image.jpeg-unsupported"
    yield "huge.jpg", jpeg(5, b"\xff\xff\xff\xff"), "image.too-many-pixels"
    yield "implausible.jpg", jpeg(5, b"\x30\x00\x30\x00"), "image.implausible-size"

    rows = noise((9, 21), 51)
    good = png(7, 9, 8, 2, rows)
    header = lambda *fields: SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", *fields)) + good[33:]  # noqa: E731
    data = good.find(b"IDAT")
    yield "cut-in-pixels.png", good[: data + 40], "image.png-truncated"
    yield "cut-in-header.png", good[:20], "image.png-truncated"
    yield "no-pixels.png", good[: data - 4] + chunk(b"IEND", b""), "image.png-corrupt"
    yield "too-few-rows.png", png(7, 9, 8, 2, rows[:5]), "image.png-truncated"
    yield "header-checksum.png", good[:29] + b"\0\0\0\0" + good[33:], "image.png-checksum"
    end = data + 4 + struct.unpack(">I", good[data - 4 : data])[0]
    yield "pixel-checksum.png", good[:end] + b"\0\0\0\0" + good[end + 4 :], "image.png-checksum"
    text = bytearray(chunk(b"tEXt", b"Title\0damaged"))
    text[-1] ^= 1
    yield "text-checksum.png", png(7, 9, 8, 2, rows, extra=bytes(text)), "image.png-checksum"
    yield "bit-depth-3.png", header(7, 9, 3, 0, 0, 0, 0), "image.png-invalid-header"
    yield "bit-depth-99.png", header(7, 9, 99, 2, 0, 0, 0), "image.png-invalid-header"
    yield "colour-type-1.png", header(7, 9, 8, 1, 0, 0, 0), "image.png-invalid-header"
    yield "colour-type-9.png", header(7, 9, 8, 9, 0, 0, 0), "image.png-invalid-header"
    yield "width-0.png", header(0, 9, 8, 2, 0, 0, 0), "image.png-invalid-header"
    yield "interlace-7.png", header(7, 9, 8, 2, 0, 0, 7), "image.png-invalid-header"
    yield "no-palette.png", png(7, 9, 8, 3, noise((9, 7), 52)), "image.png-corrupt"
    yield "filter-9.png", png(7, 9, 8, 2, rows).replace(
        good[data - 4 : end + 4], chunk(b"IDAT", zlib.compress(b"".join(b"\x09" + bytes(r) for r in rows)))
    ), "image.png-corrupt"
    yield "not-deflate.png", good[: data - 4] + chunk(b"IDAT", b"\xff" * 50) + good[end + 4 :], "image.png-corrupt"
    yield "huge.png", header(60000, 60000, 8, 2, 0, 0, 0), "image.too-many-pixels"
    yield "implausible.png", header(13000, 13000, 8, 2, 0, 0, 0), "image.implausible-size"
    bomb = zlib.compress(bytes(20 << 20), 9)
    metadata = "image.metadata-too-large"
    yield "text-bomb.png", png(7, 9, 8, 2, rows, extra=chunk(b"zTXt", b"Comment\0\0" + bomb)), metadata
    yield "international-text-bomb.png", png(
        7, 9, 8, 2, rows, extra=chunk(b"iTXt", b"Comment\0\1\0\0\0" + bomb)), metadata
    yield "profile-bomb.png", png(7, 9, 8, 2, rows, extra=chunk(b"iCCP", b"icc\0\0" + bomb)), metadata
    yield "damaged-signature.png", b"\x89PNG\n\x1a\n" + good[8:], "image.unsupported-format"

    small = picture(4, 4, 53)
    for kind, name in (("GIF", "gif"), ("BMP", "bmp"), ("WEBP", "webp"), ("TIFF", "tiff"), ("AVIF", "avif")):
        yield f"{name}-named.jpg", encoded(small, kind)[:400], "image.unsupported-format"
    yield "text.jpg", b"this is not an image\n", "image.unsupported-format"
    yield "empty.png", b"", "image.empty"


def orientations(folder):
    upright = picture(20, 13, 60)
    for value in range(1, 9):
        for order in ("little", "big"):
            image = Image.Exif()
            image.endian = "<" if order == "little" else ">"
            image[0x0112] = value
            if order == "little":
                data, name = encoded(upright, "JPEG", exif=image), f"{value}.jpg"
            else:
                data, name = encoded(upright, "PNG", exif=image), f"{value}.png"
            (folder / name).write_bytes(data)
            write_ppm(folder / f"{name}.ppm", ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    packet = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = encoded(upright, "JPEG", xmp=packet)
    (folder / "xmp-6.jpg").write_bytes(data)
    write_ppm(folder / "xmp-6.jpg.ppm", ImageOps.exif_transpose(Image.open(io.BytesIO(data))))


def resizes(folder):
    source = Image.fromarray(noise((30, 40, 3), 70), "RGB")
    write_ppm(folder / "source.ppm", source)
    sizes = [(1, 1), (7, 5), (13, 11), (20, 15), (39, 29), (40, 30), (40, 17), (23, 30), (3, 47), (53, 37), (90, 4), (38, 25), (38, 26)]
    for width, height in sizes:
        for name, kind in FILTERS.items():
            write_ppm(folder / f"{width}x{height}-{name}.ppm", source.resize((width, height), kind))


def tensors(folder):
    """Cases of torchvision's transforms; each line of tensors.txt tells the test how to build the same."""
    modes = {n: getattr(transforms.InterpolationMode, n.upper()) for n in FILTERS}
    photo = picture(41, 29, 80)
    write_ppm(folder / "landscape.ppm", photo)
    write_ppm(folder / "portrait.ppm", picture(21, 36, 81))
    lines = []

    def case(source, resize, mode, crop, grey=False, statistics=IMAGENET):
        steps = [transforms.Grayscale()] if grey else []
        if isinstance(resize, (int, tuple)):
            steps.append(transforms.Resize(list(resize) if isinstance(resize, tuple) else resize, modes[mode]))
        if crop:
            steps.append(transforms.CenterCrop(crop))
        mean, deviation = ((0.5,), (0.25,)) if grey else statistics
        steps += [transforms.ToTensor(), transforms.Normalize(mean, deviation)]
        out = transforms.Compose(steps)(Image.open(folder / f"{source}.ppm"))
        name = f"{len(lines)}.f32"
        (folder / name).write_bytes(out.numpy().astype("<f4").tobytes())
        edge = "none" if resize is None else str(resize) if isinstance(resize, int) else "{}x{}".format(*resize)
        crop = "none" if crop is None else "{}x{}".format(*crop)
        lines.append(f"{name} {source} {edge} {mode} {crop} {' '.join(map(str, out.shape))}")

    for source in ("landscape", "portrait"):
        case(source, 18, "bilinear", (15, 15))
        case(source, 18, "bicubic", (16, 13))
        case(source, 23, "nearest", (16, 19))
        case(source, 13, "bicubic", None)
    case("landscape", (17, 19), "bilinear", None)
    case("landscape", (20, 20), "bicubic", (11, 16))
    case("landscape", None, "bilinear", (10, 13))
    case("portrait", 12, "bilinear", (23, 15))
    case("portrait", None, "bilinear", (41, 6))
    case("landscape", 24, "bicubic", (21, 21), grey=True)
    case("landscape", 24, "bicubic", (18, 18), statistics=((127 / 255,) * 3, (128 / 255,) * 3))
    (folder / "tensors.txt").write_text("\n".join(lines) + "\n")


def digests(data, path):
    """sha256 of decoded pixels, and of the shorter edge resized to 256, of files under the data folder."""
    files = [p for p in sorted((data / "corpora/pngsuite").rglob("*.png"))]
    files += [p for d in ("skimage", "sklearn") for p in sorted((data / "photos" / d).glob("*.[jp][pn]g"))]
    files += sorted((data / "imagenet-500").glob("*.jpg"))[::10]
    lines = []
    for file in files:
        image = Image.open(file).convert("RGB")
        line = [str(file.relative_to(data)), *map(str, image.size), hashlib.sha256(image.tobytes()).hexdigest()]
        if "pngsuite" not in str(file):
            for mode in ("BILINEAR", "BICUBIC"):
                small = transforms.Resize(256, getattr(transforms.InterpolationMode, mode))(image)
                line.append(hashlib.sha256(small.tobytes()).hexdigest())
        lines.append(" ".join(line))
    path.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("../shared/data"))
    data = parser.parse_args().data
    root = pathlib.Path(__file__).resolve().parent.parent / "fixtures/images"
    folders = {n: root / n for n in ("decode", "orientation", "resize", "tensors", "truncated", "malformed")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in [*jpegs(), *hostile_metadata(), *pngs()]:
        (folders["decode"] / name).write_bytes(content)
        try:
            write_ppm(folders["decode"] / f"{name}.ppm", Image.open(io.BytesIO(content)))
        except (OSError, SyntaxError) as error:
            sys.exit(f"Pillow refuses {name}: {error}")
    orientations(folders["orientation"])
    resizes(folders["resize"])
    tensors(folders["tensors"])
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    for name, content in truncated():
        (folders["truncated"] / name).write_bytes(content)
        write_ppm(folders["truncated"] / f"{name}.ppm", Image.open(io.BytesIO(content)))
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    codes = []
    for name, content, code in malformed():
        (folders["malformed"] / name).write_bytes(content)
        codes.append(f"{name} {code}")
    (folders["malformed"] / "errors.txt").write_text("\n".join(codes) + "\n")
    if data.is_dir():
        digests(data, root / "digests.txt")


if __name__ == "__main__":
    main()
