"""Shared by all commands: a parser whose errors are one line with exit code 2, its common options, printing."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from headtohead.utils import plugins
from headtohead.utils.errors import InputError, Stopped, one_line

MOST_NUMBERS = 10_000  # in a range
LISTS = {"design", "only"}  # options whose words are names
RESUMABLE = "stopped; the same command goes on from here"


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows a default where there is one to show."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default not in (None, Path()) else action.help


class Parser(argparse.ArgumentParser):
    """argparse without the usage block in front of an error; helps show defaults."""

    def __init__(self, module: str, described: str | None) -> None:
        text = (described or "").split(": ", 1)[-1]
        super().__init__(
            prog=f"python -m {module}",
            description=text[:1].upper() + text[1:],
            formatter_class=_Help,
        )
        what = "Python file that adds designs, heads, objectives, benchmarks, metrics or claims; may be repeated"
        self.add_argument("--plugin", action="append", default=[], metavar="FILE", help=what)

    @property
    def name(self) -> str:
        return self.prog.rsplit(".", 1)[-1]

    def error(self, message: str) -> NoReturn:
        say(f"{self.name}: {message}")
        raise SystemExit(2)

    def concluded(self, work: Callable[[], int | None], stopped: str = RESUMABLE) -> int:
        """Do the work and return the exit code.

        work     the command itself
        stopped  what is printed after Ctrl-C (code 130) or SIGTERM (143); wrong input prints its own line (2)
        """
        try:
            return work() or 0
        except (InputError, OSError) as error:
            say(f"{self.name}: {one_line(error)}")
            return 2
        except (KeyboardInterrupt, Stopped) as request:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one, while the command is ending
            say(f"{self.name}: {stopped}")
            return int(request.code or 130) if isinstance(request, Stopped) else 130

    def parse_args(self, args: Sequence[str] | None = None, namespace: None = None) -> argparse.Namespace:  # type: ignore[override]
        """Load the plugins that `--plugin` names, then parse; names in lists may be separated by commas."""
        self.load_plugins(args)
        options = super().parse_args(args, namespace)
        for key in LISTS & vars(options).keys():
            if isinstance(words := getattr(options, key), list):
                setattr(options, key, names(words))
        if getattr(options, "threads", None):  # processes that are started from now on take it
            os.environ["OMP_NUM_THREADS"] = str(options.threads)
        return options

    def load_plugins(self, arguments: Sequence[str] | None) -> None:
        """Load plugins, where subcommands or choices depend on what they add; an error ends the command."""
        early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        early.add_argument("--plugin", action="append", default=[])
        try:
            plugins.load(early.parse_known_args(arguments)[0].plugin)
        except (InputError, argparse.ArgumentError) as error:
            self.error(f"{error}")

    def add_device(self) -> None:
        self.add_argument("--device", type=_device, default=None, help="cpu or cuda; cuda when there is one")
        what = "CPU threads of each run; when not given, runs at work on this machine share its cores"
        self.add_argument("--threads", type=positive, default=None, metavar="N", help=what)

    def add_folder(self, name: str, default: Path, what: str) -> None:
        self.add_argument(name, type=_folder, default=default, help=what)


def quiet(line: str) -> None:
    """Prints nothing; for ranks other than 0."""


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Seconds as text: 40 s, 12 min, 3 h 20 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _device(text: str) -> str:
    """A device that can be used; torch is loaded only to look for an accelerator."""
    if text == "cpu":
        return text
    if text not in ("cuda", "mps"):
        raise argparse.ArgumentTypeError(f"expected cpu or cuda, got {text!r}")
    import torch

    if text == "mps" and torch.backends.mps.is_available():
        raise argparse.ArgumentTypeError("mps: has no double precision, in which scores are added up; use --device cpu")
    if text == "mps" or not torch.cuda.is_available():
        raise argparse.ArgumentTypeError(f"{text}: this machine has none that torch can use")
    return text


def _folder(text: str) -> Path:
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: is a file, not a folder")
    return path


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def natural(text: str) -> int:
    """A whole number from 0 on."""
    if not _whole(text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 on, got {text!r}")
    return int(text)


def _whole(text: str) -> bool:
    """One that every generator takes as its seed."""
    return text.isascii() and text.isdigit() and len(text) < 11 and int(text) < 2**31


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, got {text!r}")
    return value


def names(words: Sequence[str]) -> list[str]:
    """Names, each word one of them or several, separated by commas or spaces."""
    return [name for word in words for name in word.replace(",", " ").split(" ") if name] or [*words]


def numbers(text: str) -> list[int]:
    """Whole numbers and ranges of them, separated by commas or spaces: 0,2 or 0-3 or 0-3,7."""
    out: list[int] = []
    for part in re.split(r"\s*,\s*|\s+", text.strip()):
        first, dash, last = part.partition("-")
        if not _whole(first) or (dash and not (_whole(last) and int(first) <= int(last) <= int(first) + MOST_NUMBERS)):
            raise ValueError(f"expected whole numbers such as 0,1,2 or 0-3, got {text[:60]!r}")
        out += range(int(first), int(last or first) + 1)
    return out


def seeds(text: str) -> list[int]:
    """An option's seeds, such as 0,1,2 or 0-3."""
    try:
        out = numbers(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if len(set(out)) < len(out):
        raise argparse.ArgumentTypeError(f"the same seed stands twice in {text!r}")
    return out
