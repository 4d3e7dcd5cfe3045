"""The wordings of captions: of one sentence, of tags, and of several sentences.

EXAM's wordings of several sentences stand in no training caption; the dense exam is written with them, in words that
training has. The fields: {a} a thing with its article, {is_} is or are, {all} all things, {where} a place, {r} a
relation, {b} the second thing of it, {g} a background with its article, {hue} without, {n} a number.
"""

from __future__ import annotations

from dataclasses import dataclass

from headtohead.utils.boxes import RELATIONS

# GenEval's prompts begin so. Training captions have these words only where they say more than a prompt would.
OPENINGS = ("a photo of ", "a picture of ", "an image of ")

ON_GROUND = (
    *(opening + "{all} on {g} background" for opening in OPENINGS),
    "{all} on {g} background",
    "on {g} background, {all}",
    "there {is_} {all} on {g} background",
    "{all}, and the background is {hue}",
)
LONGER = (*(opening + "{all}" for opening in OPENINGS), "{all}")
FRAMED = ("there {is_} {all}", "this picture shows {all}", "see {all} here", "one can see {all}")
COUNTED = "{n} shapes: {all}"  # where all shapes are named
AMONG = "{n} shapes, among them {all}"

TAG_ENDS = ("{hue} background", "background: {hue}")
TAGGED = "shapes: {all}"  # of tags that would be a prompt without it

WHERE = (
    ("on the left", "in the left half", "on the left side"),
    ("on the right", "in the right half", "on the right side"),
    ("at the top", "in the upper half", "in the upper part"),
    ("at the bottom", "in the lower half", "in the lower part"),
)
RELATED_BY = {
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
HOW = tuple(RELATED_BY[name] for name in RELATIONS)


@dataclass(frozen=True)
class Sentences:
    """Wordings of each kind of sentence."""

    thing: tuple[str, ...]
    placed: tuple[str, ...]
    together: tuple[str, ...]
    related: tuple[str, ...]
    ground: tuple[str, ...]
    number: tuple[str, ...]
    opening: tuple[str, ...]  # where there would be one sentence only


TRAINING = Sentences(
    thing=("There {is_} {a}.", "{a} can be seen.", "The picture shows {a}."),
    placed=("{a} is {where}.", "{where} there is {a}.", "{where} one can see {a}."),
    together=("The picture shows {all}.", "There {is_} {all}.", "This is a picture of {all}."),
    related=("The {a} is {r} the {b}.", "{r} the {b} there is the {a}.", "The {a} stands {r} the {b}."),
    ground=("The background is {hue}.", "All of it is on {g} background.", "Behind it all is {hue}."),
    number=("There are {n} shapes.", "{n} shapes can be seen.", "The picture has {n} shapes in all."),
    opening=("This is a picture.", "Here is a simple picture."),
)
EXAM = Sentences(
    thing=("In the picture there {is_} {a}.", "Here one can see {a}."),
    placed=("{where} of the picture stands {a}.", "The picture has {a} {where}."),
    together=("Here {is_} {all}.", "In this picture one can see {all}."),
    related=("The {a} can be seen {r} the {b}.", "{r} the {b} stands the {a}."),
    ground=("The picture has {g} background.", "Here the background is {hue}."),
    number=("In all there are {n} shapes.", "Here are {n} shapes."),
    opening=("A simple picture.", "See this picture."),
)
