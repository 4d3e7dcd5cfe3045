"""What a user can put right: one line that names file and key, exit code 2, no traceback."""


class InputError(ValueError):
    """Something given to the program is missing or wrong."""

    def __str__(self) -> str:
        return printable(super().__str__())


def printable(text: str) -> str:
    """Spells out what a terminal would obey instead of showing: names and keys come from files."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
