"""A member's bytes to a square picture: upright, RGB, its short side resized to a size, and a square cut out."""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP")
AHEAD = 2  # JPEGs are decoded at a fraction of their size, yet at least so many times larger than what is asked for
WHITE = (255, 255, 255)


class PictureError(ValueError):
    """Bytes that are no picture, and why."""


def opened(data: bytes, short: int = 0) -> Image.Image:
    """A picture that has decoded without complaint; with `short`, one that is about as small as that allows."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(data), formats=FORMATS)
        if short:
            # Never below AHEAD x the short side, whichever that is: draft() goes by both.
            image.draft("RGB", (AHEAD * short, AHEAD * short))
        image.load()
        return upright(image)
    except UnidentifiedImageError:
        raise PictureError("is no picture (not a JPEG, PNG or WebP file)") from None
    except Exception as error:  # what decoders raise at damage is not a closed list
        raise PictureError(f"is no picture ({' '.join(str(error).split())[:80] or type(error).__name__})") from None


def upright(image: Image.Image) -> Image.Image:
    """RGB, as its camera was held; what is transparent becomes white, since what lies behind it is arbitrary."""
    if image.mode.startswith("I"):  # 16 bits, which convert() would clip to 8
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    turned = ImageOps.exif_transpose(image)
    if "A" in turned.getbands() or "transparency" in turned.info:
        over = turned.convert("RGBA")
        under = Image.new("RGB", over.size, WHITE)
        under.paste(over, mask=over.getchannel("A"))
        return under
    return turned.convert("RGB")


def square(data: bytes, size: int, x: float = 0.5, y: float = 0.5) -> NDArray[np.uint8]:
    """(size, size, 3): resized with its aspect kept, cut at a share x, y of what is to spare; 0.5 is the centre."""
    image = opened(data, size)
    width, height = image.size
    short = min(width, height)
    left, top = x * (width - short), y * (height - short)
    cut = image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + short, top + short))
    return np.asarray(cut)
