"""What a user can put right: one line that names file and key, exit code 2, no traceback."""


class InputError(ValueError):
    """Something given to the program is missing or wrong."""
