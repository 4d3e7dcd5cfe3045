"""Names and values of the synthetic dataset's attributes; other modules use indices into these tuples."""

from __future__ import annotations

PICTURE_SIDE = 64  # pixels
MAX_OBJECTS = 4

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "ring", "moon")

# sRGB of a colour's centre; every object is drawn within COLOUR_JITTER of it.
COLOURS = {
    "red": (0.86, 0.12, 0.14),
    "orange": (0.97, 0.55, 0.08),
    "yellow": (0.96, 0.90, 0.18),
    "green": (0.12, 0.62, 0.22),
    "blue": (0.12, 0.28, 0.88),
    "purple": (0.55, 0.16, 0.70),
    "black": (0.05, 0.05, 0.06),
    "white": (0.98, 0.98, 0.98),
}
COLOUR_NAMES = tuple(COLOURS)
COLOUR_JITTER = 0.04

# Radius in pixels: half of what the object's outline spans.
SIZES = {"small": (8.5, 9.5), "large": (12.5, 14.5)}
SIZE_NAMES = tuple(SIZES)


COUNT_WORDS = ("zero", "one", "two", "three", "four")

# Where an object's centre lies: beyond the middle line by at least so many pixels. Nothing is said of one nearer to it.
HALVES = ("left half", "right half", "upper half", "lower half")
HALF_MARGIN = 4.0

# Backgrounds stay in the middle of the luminance range and pale, so that no object colour hides in one.
BACKGROUNDS = {
    "gray": (0.56, 0.56, 0.56),
    "pale blue": (0.58, 0.66, 0.76),
    "pale green": (0.60, 0.71, 0.60),
    "sand": (0.74, 0.67, 0.55),
    "rose": (0.76, 0.62, 0.63),
    "teal": (0.45, 0.58, 0.58),
}
BACKGROUND_NAMES = tuple(BACKGROUNDS)
