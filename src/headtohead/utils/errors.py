"""Errors that are reported in one line without a traceback.

This module imports no torch, so that commands without torch can unpickle errors of their child processes.
"""


class InputError(ValueError):
    """Raised for missing or wrong input; the message names file and key, and the exit code is 2."""

    def __str__(self) -> str:
        return printable(super().__str__())


class Diverged(ArithmeticError):
    """Raised before the optimizer step when loss or gradient is not finite."""


class GivenUp(Exception):
    """Raised when a search prunes a training."""


class Stopped(SystemExit):
    """Raised to end a process after SIGTERM or Ctrl-C, with its exit code; a training has saved its state before."""


def printable(text: str) -> str:
    """Text with control characters escaped, as names and keys come from files."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def one_line(error: Exception) -> str:
    """An error as one line; an OSError as file and reason."""
    if isinstance(error, OSError) and error.strerror:
        return printable(": ".join(str(part) for part in (error.filename, error.strerror) if part))
    return printable(" ".join(str(error).split()))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
