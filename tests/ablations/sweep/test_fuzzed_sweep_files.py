"""Sweep files that nobody should have written: five hundred of them, each one line and exit code 2, nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from endings import ended

from ablations.sweep import command as sweep
from headtohead.records import sweep_folder

WHOLE = {
    "designs": "[clip_flow]",
    "seeds": "[0, 1]",
    "scale": "micro",
    "set": "{train.lr: 0.001}",
    "grid": "{head.dim: [64, 128]}",
    "chosen": "{clip_flow: {train.beta2: 0.9}}",
}
HOSTILE = (
    '"<script>alert(1)</script>"', '"../../etc/passwd"', '"/etc/passwd"', '"\\u001b[2J\\u001b[31mred"', '"a\\nb\\nc"',
    '"\\0"', '"\\u202egnp"', '"\\ud83d\\ude00"', f'"{"x" * 20_000}"', "!!python/object:os.system [id]",
    "!!python/object/apply:os.system ['touch hit']", "!!python/name:os.system", "!!binary aGk=", "!!set {clip_flow}",
    "!!omap [a: 1]", "!foreign thing", "2024-01-01", "2024-99-99", "=",
)  # fmt: skip
NUMBERS = (".nan", ".inf", "-.inf", "nan", "inf", "1e999", "-1e999", "-1", "9" * 30, "9" * 6000, f"0x{'f' * 6000}",
           "0b" + "1" * 9000, "1:2:3:4:5", "1_0e_0", "true", "null")  # fmt: skip
WRONG = {
    "designs": ("", "3", "{a: 1}", "[]", "[3]", "[[clip_flow]]", "clip_fow", "[clip_flow, clip_flow]", "[all, all]"),
    "seeds": ("one", "1.5", "[]", "[0, 0]", "{a: 1}", "'0'", "[[0]]", "[0, null]"),
    "scale": ("no", "3", "[micro]", "huge", "''", "{}"),
    "set": ("[1]", "text", "3", "{3: 4}", "{seed: 3}", "{design: x}", "{scale: paper}", "{'': 1}", "{head: 3}",
            "{head.: 3}", "{head.dim.deep: 3}", "{head.dmi: 3}", "{head.dim: 100}", "{evaluation.split: train}",
            "{query.template: nothing}", "{train.steps: 1.5}", "{compute.compile: perhaps}", "{? [a] : 3}"),
    "grid": ("[1]", "text", "{train.beta2: 1}", "{train.beta2: []}", "{train.beta2: [0.1, 0.1]}", "{seed: [1, 2]}",
             "{train.beta2: [[1]]}", "{train.beta2: [null]}", "{query.template: [../x]}", "{head.dmi: [1]}",
             "{train.lr: [1]}", "{train.beta2: [0.9, much]}"),
    "chosen": ("[1]", "text", "{no_such: {}}", "{clip_flow: 3}", "{clip_flow: {head.dmi: 3}}", "{3: {}}"),
    "tuned": ("3", "[]", "{}", "{study: 3}", "{study: a, trials: many}", "{sutdy: a}"),
}  # fmt: skip


def written(values: dict[str, str]) -> bytes:
    return "".join(f"{key}: {value}\n" for key, value in values.items()).encode()


def shuffled(random: Random) -> dict[str, str]:
    return {key: WHOLE[key] for key in random.sample(list(WHOLE), len(WHOLE))}


def wrong_type(random: Random) -> bytes:
    key = random.choice(list(WRONG))
    return written(shuffled(random) | {key: random.choice(WRONG[key])})


def hostile_text(random: Random) -> bytes:
    text = random.choice(HOSTILE)
    place = random.choice(("designs", "seeds", "scale", "set", "grid", "chosen", "tuned", "key", "setting", "value"))
    if place == "key":
        return written(shuffled(random)) + f"{text}: 1\n".encode()
    inside = {"setting": f"{{{text}: 1}}", "value": f"{{head.dim: {text}}}"}
    return written(shuffled(random) | {"set" if place in inside else place: inside.get(place, text)})


def hostile_number(random: Random) -> bytes:
    number, key = random.choice(NUMBERS), random.choice(("train.steps", "head.dim", "train.batch"))
    places = {"seeds": f"[{number}]", "set": f"{{{key}: {number}}}", "grid": f"{{{key}: [{number}]}}"}
    place = random.choice(list(places))
    return written(shuffled(random) | {place: places[place]})


def twice(random: Random) -> bytes:
    key = random.choice(list(WHOLE))
    inside = {"set": "{train.ema: 0.9, train.ema: 0.99}"}
    both = {"set": "{train.lr: 1}", "grid": "{train.lr: [1, 2]}"}
    top = written(shuffled(random)) + f"{key}: {WHOLE[key]}\n".encode()
    return random.choice((top, written(shuffled(random) | inside), written(shuffled(random) | both)))


def aliases(random: Random) -> bytes:
    """A billion laughs, and its shorter relatives."""
    width, depth = random.randint(2, 12), random.randint(1, 30)
    lines = ["a0: &a0 [ha, ha]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * width)}]" for k in range(1, depth)]
    short = ["x: &x {train.lr: 1}\nset: {<<: *x}", "set: &s {a: *s}", "designs: &d [*d]", "set: *nobody"]
    return random.choice(["\n".join([*lines, f"designs: *a{depth - 1}"]), *short]).encode()


def deep(random: Random) -> bytes:
    levels = random.choice((50, 300, 1200))
    shape = random.choice(("[", "{a: ", "- ", "? ", "!!set {", "[[], "))
    return f"{random.choice(list(WRONG))}: {'' if shape in '- ? ' else shape * levels}".encode() + (
        b"\n" + (shape * levels).encode() if shape in "- ? " else b""
    )


def broken(random: Random) -> bytes:
    """Bytes that are no text, or no text that YAML takes, anywhere in a file that is sound."""
    sound = written(shuffled(random))
    bad = random.choice((b"\0", b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\x1b[2J", b"\x07", b"\x7f", "\x9b31m".encode()))
    at = random.randrange(len(sound))
    return sound[:at] + bad + sound[at:]


def no_yaml(random: Random) -> bytes:
    sound = written(shuffled(random))
    return random.choice((
        b"", b"\n\n", b"just text", b"- a\n- b", b"3", b"null", b"\tdesigns: clip_flow", b"designs: [clip_flow",
        b"designs: {", b"designs: 'open", b"%TAG ! x\n" + sound, sound + b"---\n" + sound, b"%YAML 9.9\n--- \n- 1",
        "designs: clip_flow".encode("utf-16"), random.randbytes(random.randint(1, 400)) + b"\0", b"x" * 64_001,
        b"# long\n" * 20_000, b"a" * 1_000_000, b"designs: " + b"clip_flow" * 111_111, b": : :", b"? ", b"@", b"`",
    ))  # fmt: skip


KINDS: tuple[tuple[Callable[[Random], bytes], int], ...] = (
    (wrong_type, 100), (hostile_text, 110), (hostile_number, 80), (twice, 30), (aliases, 40), (deep, 30),
    (broken, 60), (no_yaml, 50),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "many"), KINDS, ids=[kind.__name__ for kind, _ in KINDS])
def test_every_one_is_one_line_and_nothing_is_written(
    kind: Callable[[Random], bytes], many: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweeps").mkdir()
    monkeypatch.setattr(sweep_folder, "remember", began)
    random = Random(kind.__name__)
    for number in range(many):
        name = f"{kind.__name__}-{number}"
        file = tmp_path / "sweeps" / f"{name}.yaml"
        file.write_bytes(kind(random))
        refused(name, name, capsys)
        assert [p for p in tmp_path.rglob("*") if p.is_file()] == [file], file.read_bytes()[:300]
        assert not (tmp_path / "results").exists()
        file.unlink()


class Began(Exception):
    """A file was taken for a sweep."""


def began(*_: object) -> None:
    raise Began


def refused(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By exit code and exactly one line that a terminal can show."""
    code = ended(lambda: sweep.main([name]))
    told = capsys.readouterr()
    assert code == 2, (name[:80], told.err)
    assert told.out == ""
    assert told.err.endswith("\n")
    assert told.err[:-1].isprintable(), (name[:80], told.err[:400])
    assert told.err.startswith("sweep: ")
    assert said in told.err
    assert len(told.err) < 700


def test_there_are_five_hundred_and_the_sound_file_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else they would be refused for another reason than what is wrong with them."""
    assert sum(many for _, many in KINDS) == 500
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "sound.yaml").write_bytes(written(WHOLE))
    monkeypatch.setattr(sweep_folder, "remember", began)
    with pytest.raises(Began):
        sweep.main(["sound"])


@pytest.mark.parametrize(
    "name",
    [
        "../sound", "/etc/passwd", "../../../../etc/hosts", "a/b", "..", ".", "", "a\0b", "<script>alert(1)</script>",
        "\x1b[2J", "line\nline", "a b", "x" * 1_000_000, "\udcff", "sound.yaml/", "~root", "$(touch hit)", "*",
    ],
)  # fmt: skip
def test_names_lead_nowhere_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sound.yaml").write_bytes(written(WHOLE))
    refused(name, "cannot be a sweep's name", capsys)
    assert [p.name for p in tmp_path.rglob("*")] in (["sweeps", "sound.yaml"], ["sound.yaml", "sweeps"])


def test_a_folder_or_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweeps" / "folder.yaml").mkdir(parents=True)
    (tmp_path / "sweeps" / "loop.yaml").symlink_to("loop.yaml")
    refused("folder", "folder.yaml: Is a directory", capsys)
    refused("loop", "loop.yaml: Too many levels of symbolic links", capsys)
