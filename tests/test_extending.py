"""docs/extending.md: its file is a plugin that trains, and its commands do what the page says."""

from __future__ import annotations

import json
from pathlib import Path

import forked
from plugin_file import blocks, write
from small import SMALL

SET = [f"{key}={value}" for key, value in SMALL.items() if not key.startswith("head.")] + ["head.hidden=48"]


def run(words: list[str], folder: Path, code: int = 0) -> str:
    m, module, *more = words
    assert m == "-m"
    done = forked.run(module, more, folder, {"HEADTOHEAD_PLUGINS": "", "OMP_NUM_THREADS": "1"})
    assert done.returncode == code, done.stdout
    return done.stdout


def test_the_pages_plugin_plans_trains_and_is_reported(tmp_path: Path) -> None:
    file = write(tmp_path).read_text()
    plan, sweep, status, report = [line.removeprefix("$ python ").split() for line in blocks("console")[0].splitlines()]
    assert "clip_huber" in run(plan, tmp_path)

    sweep = [word for word in sweep if word != "clip_mse"]
    sweep += ["--no-estimate", "--set", *SET]
    run(sweep, tmp_path)
    (config,) = tmp_path.glob("results/*/clip_huber-s0/config.json")
    own = json.loads(config.read_text())
    assert own["head"] == {"hidden": 48}
    assert list(own["plugins"]) == ["my_heads.py"]
    assert len(own["plugins"]["my_heads.py"]) == 16
    curve = [json.loads(line) for line in (config.parent / "curve.jsonl").read_text().splitlines()]
    assert {line["step"] for line in curve} == {3, 6}
    assert "loss/huber" in {line["metric"] for line in curve}
    again = json.loads((config.parents[1] / "sweep.json").read_text())["commands"]
    assert "PLUGIN=my_heads.py" in again[0]

    assert "clip_huber" in run(status, tmp_path)  # without the plugin, as the page says
    run([*report[:-1], str(config.parents[1])], tmp_path)
    assert "clip_huber" in (config.parents[1] / "report.md").read_text()

    assert "unknown design clip_huber" in run(
        [w for w in sweep if "my_heads" not in w and w != "--plugin"], tmp_path, 2
    )
    (tmp_path / "my_heads.py").write_text(file + "# another version\n")
    said = run(sweep, tmp_path, 2)
    assert "the plugin my_heads.py has changed since the run was begun" in said
    assert "Traceback" not in said
