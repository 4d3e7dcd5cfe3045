"""Errors that are reported in one line without a traceback. They load no torch, so that commands can receive them from
processes that use it."""


class InputError(ValueError):
    """Something given to the program is missing or wrong: the line names file and key, and the exit code is 2."""

    def __str__(self) -> str:
        return printable(super().__str__())


class Diverged(ArithmeticError):
    """Raised before the optimizer step when loss or gradient is not finite."""


class GivenUp(Exception):
    """Raised when a search prunes a training."""


class Stopped(SystemExit):
    """Raised when the process was asked to end, with its exit code; a training has saved its state before."""


def printable(text: str) -> str:
    """Text with control characters spelled out; names and keys come from files."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _spelled(c) for c in text)


def one_line(error: Exception) -> str:
    """An error as one line; an OSError with its file instead of its number."""
    if isinstance(error, OSError) and error.strerror:
        return printable(": ".join(str(part) for part in (error.filename, error.strerror) if part))
    return printable(" ".join(str(error).split()))


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
