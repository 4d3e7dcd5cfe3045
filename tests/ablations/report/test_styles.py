"""What tells designs apart in figures: looks of designs and variants, names that fit, pictures under their designs."""

from __future__ import annotations

from pathlib import Path

import pytest
from made import record
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ablations.analysis.curves import curves, order
from ablations.analysis.sample_grids import broken
from ablations.report.figures import layout, scores
from ablations.report.styles import Look, label, looks
from headtohead.config.design import DESIGNS
from headtohead.records.read import runs

TRAINED = "design.backbone=trained"


def seen(look: Look) -> tuple[object, ...]:
    return look.shade, look.path, look.dash


def test_few_variants_share_their_designs_colour_and_nothing_else() -> None:
    own = looks(["vae_flow", f"clip_flow+{TRAINED}", "clip_flow", "clip_flow+head.dim=128"])
    plain, trained, small = (own[d] for d in ("clip_flow", f"clip_flow+{TRAINED}", "clip_flow+head.dim=128"))
    assert plain == looks(["clip_flow"])["clip_flow"]
    assert plain.colour == trained.colour == small.colour != own["vae_flow"].colour
    for differ in (Look.dash, Look.path, Look.marker, Look.hatch):
        assert len({str(differ.fget(look)) for look in (plain, trained, small)}) == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [1, 3, 4, 9])
def test_as_many_designs_as_a_figure_shows_all_look_different(number: int) -> None:
    names = [*DESIGNS, *(f"clip_flow+head.dim={64 * k}" for k in range(1, number + 1))][: layout.MOST]
    assert len({seen(look) for look in looks(names).values()}) == len(names)


def test_names_break_where_their_parts_meet() -> None:
    assert broken(f"clip_flow+{TRAINED}", 12).split("\n") == ["clip_flow", "+design", ".backbone", "=trained"]
    assert broken(f"clip_flow+{TRAINED}", 28).split("\n") == ["clip_flow+design.backbone", "=trained"]
    assert broken("clip_flow", 3) == "clip_flow"


@pytest.mark.parametrize("sweeps", [1, 2])
def test_the_names_of_many_designs_stay_inside_the_figure(sweeps: int, tmp_path: Path) -> None:
    for sweep in range(sweeps):
        for name in ("clip_mse", "clip_flow", "vae_flow", "clip_mse_dit", "vae_mse_dit"):
            record(tmp_path / f"sweep{sweep}" / name, 0.5)
            record(tmp_path / f"sweep{sweep}" / f"{name}+{TRAINED}", 0.4)
    figure = scores.curves(curves(runs(tmp_path)), "steps")
    FigureCanvasAgg(figure).draw()
    legends = [ax.get_legend() for ax in figure.axes if ax.get_legend()]
    assert len(legends) == sweeps
    for legend in legends:
        assert len(legend.get_texts()) == 10
        box = legend.get_window_extent()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.width
        assert not any(box.overlaps(ax.get_window_extent()) for ax in figure.axes)


def test_a_variant_has_a_name_that_people_read_and_the_papers_designs_come_first() -> None:
    assert label("clip_flow") == "clip_flow"
    assert label(f"clip_flow+{TRAINED}+head.dim=128") == "clip_flow, language model trained, head.dim 128"
    names = ["vae_flow", f"clip_mse+{TRAINED}", "vae_mse", "clip_flow", "clip_mse"]
    assert sorted(names, key=order) == ["clip_mse", "clip_flow", "vae_flow", f"clip_mse+{TRAINED}", "vae_mse"]
