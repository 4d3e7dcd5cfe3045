"""How long the prompts are that a language model reads."""

from __future__ import annotations

import numpy as np

from headtohead.config import SHIPPED, RunConfig
from headtohead.data.encoded import STREAM
from headtohead.foundations import tokenizer
from headtohead.foundations.recipes import CONTEXT
from headtohead.world.captions import captions
from headtohead.world.scenes import draw

DETAILED, SHORT, TURN = 120, 20, 50  # tokens, on average, of the paper's captions; of template and turn around one
STEPS = 4  # whose captions are told, to be measured


def tokens(config: RunConfig) -> int:
    """With the padding of a group, where the captions are at hand; without it where they are not."""
    if config.foundations.language != SHIPPED:
        caption = config.data.dense * DETAILED + (1 - config.data.dense) * SHORT
        return min(round(caption + TURN), config.query.longest)
    batch, dense = config.train.batch, config.data.dense
    index = np.arange(STEPS * batch)
    told = captions(draw(STREAM, index), config.seed, index, (1 - dense, 0.0, dense))
    texts = [config.query.template.format(caption=text) for text in told]
    length = np.sort((tokenizer.encode(texts, CONTEXT) != tokenizer.PAD).sum(1).numpy().reshape(STEPS, batch), 1)
    groups = np.array_split(np.arange(batch), min(config.query.groups, batch))
    return round(float(np.mean([length[:, g[-1]].repeat(len(g)).mean() for g in groups for _ in g])))
