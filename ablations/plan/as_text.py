"""A plan as text: GPU-hours in all, then what decides them and whether runs fit, then a table of every number."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence

from ablations.plan.one_design import accelerators
from ablations.plan.one_design.accelerators import GIB
from ablations.plan.one_design.memory import ROOM
from ablations.plan.totals import ENCODING, HEAD, LANGUAGE, LAST, WAY, Plan, Run
from ablations.plan.units import duration_of, flops, gib, gpu_hours, hours, many
from headtohead.config import flop_accounting
from headtohead.config.run_config import SHIPPED
from headtohead.data.feature_cache.write import in_bytes
from headtohead.data.order import Portion

WIDTH = 118
TRAINING, MEASURING = "training the designs", "measuring curve points"
Row = tuple[str, Callable[[Run], str]]


def text(plan: Plan, scale: str) -> str:
    """A plan as it is printed.

    plan   cost and memory of the runs
    scale  name of the preset that they were configured from
    """
    warnings = dict.fromkeys(f"Warning: {run.config.warning}." for run in plan.runs if run.config.warning)
    sentences = [*warnings, *_shares(plan), *_memory(plan), *_savings(plan), _points(plan)]
    paragraphs = (_total(plan, scale), _wrapped(sentences), _tables(plan), _wrapped(_assumed(plan)))
    return "\n\n".join("\n".join(lines) for lines in paragraphs)


def _wrapped(sentences: Iterable[str]) -> Iterator[str]:
    for sentence in sentences:
        yield from textwrap.wrap(sentence, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _all(plan: Plan, *parts: str) -> float:
    """GPU-hours of parts, over designs and seeds."""
    return plan.seeds * sum(run.hours[part] for run in plan.runs for part in parts)


def _parts(plan: Plan) -> dict[str, float]:
    """GPU-hours of everything that takes any; they sum to the plan's."""
    parts = {
        TRAINING: _all(plan, HEAD, LANGUAGE), ENCODING: _all(plan, ENCODING), MEASURING: _all(plan, WAY, LAST),
        **{made.what: made.hours for made in plan.once},
    }  # fmt: skip
    return {name: value for name, value in parts.items() if value}


def _total(plan: Plan, scale: str) -> list[str]:
    m, number = plan.machine, len(plan.runs)
    seeds = f", {plan.seeds} seeds each" if plan.seeds > 1 else ""
    return [
        f"{number} design{'s' * (number != 1)}{seeds}, at scale {scale} on {m.devices} x {m.gpu.name} "
        f"of {m.gpu.bf16:,.0f} TFLOP/s and {m.gpu.memory:.0f} GiB, at {m.utilisation:.0%} of that peak",
        "",
        f"{gpu_hours(plan.hours)}; one run after another {duration_of(plan.hours / m.devices)}",
        *(f"  {hours(v):>9}  {v / plan.hours:4.0%}  {name}" for name, v in _parts(plan).items()),
    ]


def _shares(plan: Plan) -> Iterator[str]:
    parts = _parts(plan)
    largest = max(parts, key=parts.__getitem__)
    shares = [f"{name} {hours(parts[name])} ({parts[name] / plan.hours:.0%})" for name in (TRAINING, MEASURING)]
    yield (
        f"Largest part: {largest}: {hours(parts[largest])} of {gpu_hours(plan.hours)} "
        f"({parts[largest] / plan.hours:.0%}); {' and '.join(shares)}."
    )
    if once := sum(made.hours for made in plan.once):
        yield f"Made once: {gpu_hours(once)} ({once / plan.hours:.0%}), which later sweeps need not spend again."


def _memory(plan: Plan) -> Iterator[str]:
    yield f"Pictures: every design makes {plan.picture} x {plan.picture}, as a comparison needs."
    gpu, tight = plan.machine.gpu, [run for run in plan.runs if not run.advice.fits]
    room = gib((1 - ROOM) * gpu.memory * GIB)
    if not tight:
        most = max(plan.runs, key=lambda run: run.memory.most)
        yield f"Memory: fits; {most.design} needs most, {gib(most.memory.most)} of {room} GiB that are free for it."
    for run in tight:
        settings = " ".join(run.advice.settings)
        remedy = f'SET="{settings}" makes it fit' if settings else "neither smaller parts nor sharding make it fit"
        when = "while training" if run.memory.training > run.memory.point else "at a point"
        yield f"Memory: {run.design} DOES NOT FIT: {gib(run.memory.most)} GiB {when}, {room} are free; {remedy}."


def _savings(plan: Plan) -> Iterator[str]:
    for name, kept in plan.features.items():
        own = [run for run in plan.runs if run.config.design.representation == name]
        live = plan.seeds * sum(run.hours[ENCODING] for run in own)
        if live:
            yield (
                f"Encoding {name}: {gpu_hours(live)} on the way; `make cache` takes {hours(kept.hours)} once "
                f"and {in_bytes(kept.size)} of disk."
            )
    if spare := [run for run in plan.runs if run.spare and run.ways[0].activations > run.ways[1].activations]:
        saved = plan.seeds * sum(run.hours[HEAD] * (1 - run.cost.plain.train / run.cost.head.train) for run in spare)
        yield (
            f"Checkpointing: {', '.join(run.design for run in spare)} would fit without it; "
            f"SET=compute.checkpointing=false saves {gpu_hours(saved)}."
        )


def _points(plan: Plan) -> str:
    p, whole = plan.runs[0].points, plan.seeds * sum(run.every_all for run in plan.runs)
    return (
        f"Points: {p.on_the_way} of {p.a_point:,} pictures and a last one of {p.the_last:,} take "
        f"{gpu_hours(_all(plan, WAY, LAST))}; all prompts at every point would take {hours(whole)}, "
        f"{whole / _all(plan, HEAD, LANGUAGE):.2g} times the training."
    )


def _tables(plan: Plan) -> list[str]:
    p, devices = plan.runs[0].points, plan.machine.devices
    names = {WAY: f"{p.on_the_way} points of {p.a_point:,} pictures", LAST: f"last point of {p.the_last:,} pictures"}
    parts: list[Row] = [(names.get(part, part), _hours_of(part)) for part in plan.runs[0].hours if _all(plan, part)]
    sections: dict[str, list[Row]] = {
        "GPU-hours of a run": [
            *parts,
            ("in all", lambda r: hours(r.all_hours)),
            (f"on {devices} GPUs", lambda r: duration_of(r.all_hours / devices)),
            (
                "with all prompts at every point",
                lambda r: hours(r.all_hours - r.hours[WAY] - r.hours[LAST] + r.every_all),
            ),
        ],
        "Training FLOPs of a run": [
            ("head and language model", lambda r: flops(flop_accounting.shown(r.config) * r.cost.train)),
            ("everything", lambda r: flops(flop_accounting.shown(r.config) * r.everything)),
        ],
        "FLOPs of a picture": [
            (HEAD, lambda r: flops(r.cost.head.train)),
            ("  without checkpointing", lambda r: flops(r.cost.plain.train)),
            (LANGUAGE, lambda r: flops(r.cost.reading.train)),
            ("encoding it", lambda r: flops(r.cost.frozen.encode.flops)),
            ("sampling its tokens", lambda r: flops(r.cost.sample)),
            ("decoding them", lambda r: flops(r.cost.frozen.decode.flops)),
        ],
        "Sizes": [
            ("image tokens", lambda r: f"{r.cost.frozen.grid.tokens:,} x {r.cost.frozen.grid.channels:,}"),
            ("queries, prompt tokens", lambda r: f"{r.cost.queries:,}, {r.cost.prompt}"),
            ("parameters: head", lambda r: many(r.cost.head.parameters)),
            ("  trained in all", lambda r: many(r.cost.trained)),
            ("  frozen language model", lambda r: many(r.cost.untrained)),
            ("  encoder", lambda r: many(r.cost.frozen.encode.parameters)),
            ("  decoder", lambda r: many(r.cost.frozen.decode.parameters)),
            (f"features of {plan.runs[0].samples:,}", lambda r: in_bytes(plan.features[_representation(r)].size)),
        ],
        f"GiB on each of {devices} GPUs": [
            ("weights, trained (masters, fp32)", lambda r: gib(r.memory.weights)),
            ("gradients", lambda r: gib(r.memory.gradients)),
            ("AdamW's moments", lambda r: gib(r.memory.moments)),
            ("average (EMA)", lambda r: gib(r.memory.average)),
            ("frozen language model", lambda r: gib(r.memory.language)),
            ("encoder and decoder", lambda r: gib(r.memory.codec)),
            ("shards gathered", lambda r: gib(r.memory.gathered)),
            ("weights in bf16, for backward", lambda r: gib(r.memory.copies)),
            ("activations", lambda r: gib(r.memory.activations)),
            ("  without checkpointing", lambda r: gib(r.ways[0].activations)),
            ("  with it", lambda r: gib(r.ways[1].activations)),
            ("or: encoding on the way", lambda r: gib(r.memory.encoded)),
            ("or: a point's pictures", lambda r: gib(r.memory.aside + r.memory.painted)),
            ("most while training", lambda r: gib(r.memory.training)),
            ("most at a point", lambda r: gib(r.memory.point)),
            ("fits", lambda r: "yes" if r.advice.fits else "NO"),
        ],
    }
    rows: list[tuple[str, list[str]]] = [("", [run.design for run in plan.runs])]
    for title, own in sections.items():
        rows += [(f"\n{title}", []), *((f"  {name}", [cell(run) for run in plan.runs]) for name, cell in own)]
    return _aligned(rows)


def _hours_of(part: str) -> Callable[[Run], str]:
    return lambda run: hours(run.hours[part])


def _representation(run: Run) -> str:
    return run.config.design.representation


def _aligned(rows: Sequence[tuple[str, list[str]]]) -> list[str]:
    first, columns = (
        max(len(name) for name, cells in rows if cells),
        zip(*(cells for _, cells in rows if cells), strict=True),
    )
    widths = [max(map(len, column)) for column in columns]
    return [
        name.ljust(first) + "".join(f"  {cell:>{w}}" for cell, w in zip(cells, widths, strict=True)) if cells else name
        for name, cells in rows
    ]


def _assumed(plan: Plan) -> Iterator[str]:
    run, m = plan.runs[0], plan.machine
    own = run.config
    at_once = Portion.of(own.train.batch, own.compute.micro_batch, 0, m.devices).at_once
    yield (
        "Assumed. FLOPs are counted by torch as they are computed: two for a multiplication with its addition, and "
        "what checkpointing computes again. GPU-hours are FLOPs over the stated share of the dense peak of the "
        "precision in use, which small models do not reach. Judges, reading data and waiting are not counted."
    )
    yield (
        "Everything: head, language model, the encoder's look at each picture, and a share of what is made once for a "
        "representation (the training of encoder and decoder, features that are kept), divided by the compared "
        "designs that predict it."
    )
    if own.foundations.language == SHIPPED:
        yield f"Prompts: {run.cost.prompt} tokens, as the world tells them, with the padding of their groups."
    else:
        yield (
            f"Prompts: {run.cost.prompt} tokens: {accelerators.DETAILED} of a detailed caption, {accelerators.SHORT} "
            f"of a short one, {own.data.dense:.0%} detailed; {accelerators.TURN} of template and turn."
        )
    yield (
        f"Memory: every tensor of an uncompiled step in the types of autocast, {at_once} pictures at once, points in "
        f"batches of {own.evaluation.batch}; {ROOM:.0%} of a GPU is left for what is not counted: allocator, kernels, "
        "communication, judges."
    )
