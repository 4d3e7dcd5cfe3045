"""What needs no traceback: one line says it. Work in processes of its own raises it, and commands hear it without
loading torch."""


class InputError(ValueError):
    """Something given to the program is missing or wrong: the line names file and key, and the exit code is 2."""

    def __str__(self) -> str:
        return printable(super().__str__())


class Diverged(ArithmeticError):
    """A training whose loss or gradient is no number any more."""


class GivenUp(Exception):
    """A training that whoever looks on wants no more of."""


class Stopped(SystemExit):
    """The training was asked to end, has saved, and goes on from there next time."""


def printable(text: str) -> str:
    """Spells out what a terminal would obey instead of showing: names and keys come from files."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _spelled(c) for c in text)


def one_line(error: Exception) -> str:
    """What an error says, an OSError by its file: whoever reads it knows neither numbers nor classes."""
    if isinstance(error, OSError) and error.strerror:
        return printable(": ".join(str(part) for part in (error.filename, error.strerror) if part))
    return printable(" ".join(str(error).split()))


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
