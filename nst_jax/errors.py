"""One exception for everything a user can put right."""


class UserError(ValueError):
    """Say in one line what was found, what was expected and what to do; the command line exits with code 2."""
