"""Scores that a head has to exceed: of pictures that ignore their prompt, and of retrieved training pictures."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from headtohead.config.presets import configure
from headtohead.data.synthetic_batches import STREAM
from headtohead.eval.curve_points.prompts import SEED
from headtohead.eval.curve_points.score import of_scenes
from headtohead.eval.foundations.ceilings import Scorer
from headtohead.records.ceilings import RETRIEVAL, Row
from headtohead.synthetic.captions.words import words_of
from headtohead.synthetic.captions.write import of_training
from headtohead.synthetic.render import backdrop, render
from headtohead.synthetic.scenes import Scenes, draw
from headtohead.utils.random import keys, uniform


def floors(scorer: Scorer) -> dict[str, Row]:
    """Scores of noise, of blank pictures, of pictures of other prompts, of training pictures chosen at random
    (unconditional), and of the training picture whose caption is nearest to the prompt (retrieval), by name."""
    test, n = scorer.test, len(scorer.test.pictures)
    device = str(test.pictures.device)
    generator = torch.Generator().manual_seed(SEED)
    order = np.argsort(uniform(keys(SEED, np.arange(n)), 1)[:, 0])
    found = retrieved(test.texts)
    rows = {
        "noise": torch.rand(test.pictures.shape, generator=generator).to(device),
        "blank": backdrop(test.scenes, device).clamp(0, 1),
        "shuffled prompts": test.pictures[torch.from_numpy(order)],
        "unconditional": render(draw(SEED + 2, np.arange(n)), device),
        RETRIEVAL: render(found, device),
    }
    scored = {name: scorer.row(pictures) for name, pictures in rows.items()}
    scored[RETRIEVAL] |= of_scenes(test, found)  # a floor must not fall because a judge is wrong
    return scored


def retrieved(texts: list[str]) -> Scenes:
    """For each prompt, the training scene of the nearest caption by words: most words in common as a share of the words
    of both. Searches the captions of a first epoch of a default run.

    texts  prompts
    """
    data = configure("clip_flow").data
    index = np.arange(data.pictures)
    scenes = draw(STREAM, index)
    return scenes[nearest(texts, of_training(scenes, STREAM, index, 0, data.dense))]


def nearest(texts: list[str], known: list[str]) -> NDArray[np.int64]:
    """For each text, the index of the nearest of the known texts by bag of words; of equally near ones the first."""
    place = {w: k for k, w in enumerate(sorted({w for text in (*known, *texts) for w in words_of(text)}))}

    def bags(rows: list[str]) -> NDArray[np.int16]:
        """(words, rows) how often each word occurs."""
        out = np.zeros((len(place), len(rows)), np.int16)
        for k, text in enumerate(rows):
            for w in words_of(text):
                out[place[w], k] += 1
        return out

    distinct, among = list(dict.fromkeys(texts)), bags(known)
    sizes, found = among.sum(0), dict[str, int]()
    for text, bag in zip(distinct, bags(distinct).T, strict=True):
        shared = sum(np.minimum(among[w], bag[w]) for w in np.flatnonzero(bag))
        found[text] = int((shared / (sizes + bag.sum() - shared)).argmax())
    return np.array([found[text] for text in texts])
