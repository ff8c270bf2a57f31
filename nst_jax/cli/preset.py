"""Read `--preset NAME` as the options it stands for."""

from nst_jax.errors import UserError
from nst_jax.presets import PRESETS, adapted
from nst_jax.recipe import options

WITH_RECIPE = ("stylize",)
"""Commands in whose place of `--preset` the options of a recipe are put; others read it themselves."""

DECIDERS = ("optimizer", "scales", "init")
"""Options that decide which other settings of a preset are read."""


def expand_preset(argv: list[str]) -> list[str]:
    """Put the options that `--preset NAME` stands for in its place; those written beside it win.

    Raises:
        UserError: no such preset.
    """
    at = next((i for i, word in enumerate(argv) if word == "--preset" or word.startswith("--preset=")), None)
    if at is None or argv[0] not in WITH_RECIPE:
        return argv
    _, equals, name = argv[at].partition("=")
    rest = argv[:at] + argv[at + (1 if equals else 2) :]
    if not equals:
        name = argv[at + 1] if at + 1 < len(argv) else ""
    if not name:
        raise UserError(f"--preset needs a name: one of {', '.join(PRESETS)}")
    given = {word.split("=")[0].split(".")[0].replace("_", "-") for word in rest if word.startswith("--")}
    deciders = {key: value for key in DECIDERS if (value := _given(rest, f"--{key}"))}
    preset = options(adapted(name, **{key: _plain(value) for key, value in deciders.items()}))
    # At the end: before a positional argument, an option of several values would swallow it.
    return rest + [word for key, values in preset.items() if key not in given for word in (key, *values)]


def _given(words: list[str], flag: str) -> str:
    """Find the value of an option."""
    for word, after in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name == flag:
            return value if equals else after
    return ""


def _plain(value: str) -> str | int:
    return int(value) if value.isdigit() else value
