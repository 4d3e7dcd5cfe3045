"""Decode a picture into a square: upright, RGB, the short side resized to a given size, a square cropped."""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP")
AHEAD = 2  # JPEGs are decoded at a fraction of their size, but at least this many times larger than needed
WHITE = (255, 255, 255)


class PictureError(ValueError):
    """Bytes that do not decode as a picture, and why."""


def opened(data: bytes, short: int = 0) -> Image.Image:
    """Decode completely, upright and as RGB.

    short  side in pixels that will be needed: JPEGs are then decoded at reduced size; 0: full size
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(data), formats=FORMATS)
        if short:
            # draft() compares both sides: neither becomes smaller than AHEAD x short.
            image.draft("RGB", (AHEAD * short, AHEAD * short))
        image.load()
        return upright(image)
    except UnidentifiedImageError:
        raise PictureError("is not a picture (no JPEG, PNG or WebP)") from None
    except Exception as error:  # decoders raise many kinds of errors at damage
        raise PictureError(f"is not a picture ({' '.join(str(error).split())[:80] or type(error).__name__})") from None


def upright(image: Image.Image) -> Image.Image:
    """RGB, rotated as its EXIF data says, with transparency over white."""
    if image.mode.startswith("I"):  # 16 bits: convert() would clip them to 8
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    turned = ImageOps.exif_transpose(image)
    if "A" in turned.getbands() or "transparency" in turned.info:
        over = turned.convert("RGBA")
        under = Image.new("RGB", over.size, WHITE)
        under.paste(over, mask=over.getchannel("A"))
        return under
    return turned.convert("RGB")


def square(data: bytes, size: int, x: float = 0.5, y: float = 0.5) -> NDArray[np.uint8]:
    """Bytes of a picture to (size, size, 3): the short side resized to `size`, then a square cropped.

    x, y  position of the square, as shares of the margin; 0.5 is the centre
    """
    image = opened(data, size)
    width, height = image.size
    short = min(width, height)
    left, top = x * (width - short), y * (height - short)
    cut = image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + short, top + short))
    return np.asarray(cut)
