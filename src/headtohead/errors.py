"""What needs no traceback: one line says it."""


class InputError(ValueError):
    """Something given to the program is missing or wrong: the line names file and key, and the exit code is 2."""


class Diverged(ArithmeticError):
    """A training whose loss or gradient is no number any more."""
