"""Find the command, run it, and turn what a user can put right into one line and exit code 2."""

import contextlib
import difflib
import io
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Annotated, NoReturn

import tyro

import nst_jax
from nst_jax.cli import helps, scripts
from nst_jax.cli.batch import Batch
from nst_jax.cli.demo import Demo
from nst_jax.cli.interrupt import at_once
from nst_jax.cli.invert import Invert
from nst_jax.cli.planned import Planned
from nst_jax.cli.preset import expand_preset
from nst_jax.cli.rerun import Rerun
from nst_jax.cli.running import Running
from nst_jax.cli.streams import Unread, answer, delivered
from nst_jax.cli.style import Style
from nst_jax.cli.stylize import Stylize
from nst_jax.cli.sweep import Sweep, expand, options_files
from nst_jax.cli.texture import Texture, expand_size
from nst_jax.cli.translate import Translate
from nst_jax.cli.units import Units
from nst_jax.cli.weights import Weights
from nst_jax.errors import UserError
from nst_jax.files import one_line, shown
from nst_jax.printing import heard, scripted, tell
from nst_jax.recipe import Recipe

Command = (
    Annotated[Stylize, tyro.conf.subcommand("stylize")]
    | Annotated[Sweep, tyro.conf.subcommand("sweep")]
    | Annotated[Batch, tyro.conf.subcommand("batch")]
    | Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[Texture, tyro.conf.subcommand("texture")]
    | Annotated[Invert, tyro.conf.subcommand("invert")]
    | Annotated[Style, tyro.conf.subcommand("style")]
    | Annotated[Rerun, tyro.conf.subcommand("rerun")]
    | Annotated[Weights, tyro.conf.subcommand("weights")]
    | Annotated[Units, tyro.conf.subcommand("units")]
    | Annotated[Translate, tyro.conf.subcommand("translate")]
)

DESCRIPTION = """Neural style transfer: paint one picture with the texture of another.

Start with `nst-jax demo`, then `nst-jax stylize photo.jpg painting.jpg -o out.png`.
`nst-jax COMMAND --help` explains each command and the settings used first, `--help-all` all of them;
`nst-jax --version` tells the version.
"""


def parse(argv: list[str]) -> Command:
    """Read the command line.

    Raises:
        UserError: in one line, what the parser would have said in a box.
    """
    if help_asked := helps.asked(argv):
        _explain(argv, help_asked)
    said = io.StringIO()
    words = expand_size(expand_preset(expand(argv)))
    try:
        with contextlib.redirect_stderr(said):
            found = tyro.cli(
                tyro.conf.OmitSubcommandPrefixes[Command], args=words, prog="nst-jax", description=DESCRIPTION
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UserError(_one_line(said.getvalue(), argv)) from None
    return replace(found, read_from=options_files(argv)) if isinstance(found, Sweep) else found


def _explain(argv: Sequence[str], asked: str) -> NoReturn:
    """Print the help of the command that is named, and leave."""
    words = [*argv[: argv.index(asked)], "--help"]
    try:
        with helps.described(whole=asked == helps.ALL):
            tyro.cli(tyro.conf.OmitSubcommandPrefixes[Command], args=words, prog="nst-jax", description=DESCRIPTION)
    finally:
        if asked != helps.ALL and words[0] in helps.WITH_RECIPE:
            answer(helps.more(words[0]))
    raise SystemExit(0)


def _one_line(message: str, argv: Sequence[str]) -> str:
    """Take the first paragraph below the title of a parser's message, be it drawn in a box or in plain ASCII."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", message)
    paragraphs: list[list[str]] = [[]]
    for line in plain.splitlines():
        text = line.strip("│ ")
        if re.match(r"[╭╰]|[─-]{8,}$", text):
            paragraphs.append([])
        elif text:
            paragraphs[-1].append(text)
    said = " ".join(next((p for p in paragraphs[1:] if p), ["the command line could not be read"])).rstrip(".")
    return f"{said}{_nearest(said, argv)}; see nst-jax --help"


def _nearest(said: str, argv: Sequence[str]) -> str:
    """Name the file whose name looks like an option, or the option that is most like one that there is not."""
    if dashed := [word for word in argv if word.startswith("-") and os.path.lexists(word)]:
        return f": a file of that name is ./{shown(dashed[0])}"
    unknown = re.search(r"Unrecognized options: (--[\w.-]+)", said)
    known = [
        f"--{field.name.replace('_', '-')}" for kind in (Recipe, Running, Sweep, Planned) for field in fields(kind)
    ]
    known.remove("--read-from")  # set here, no option
    near = difflib.get_close_matches(unknown[1], known, 1) if unknown else []
    return f": did you mean {near[0]}?" if near else ""


def main(argv: list[str] | None = None) -> int:
    """Run `nst-jax`; give 0, 2 for what is to be put right, 141 if nobody reads the answer, 128 + a signal's number.

    Whether the work succeeded does not depend on printing: only a command whose work is to print something fails where
    it cannot be printed.
    """
    try:
        with at_once():
            return _run(sys.argv[1:] if argv is None else argv)
    except Unread:
        return 141
    except UserError as error:
        tell(f"nst-jax: {error}")
        return 2
    except OSError as error:  # of a disk or a device, wherever it came up
        where = f"{shown(error.filename)}: " if isinstance(error.filename, str) else ""
        tell(f"nst-jax: {where}{one_line(error)}; put it right and run the same command again")
        return 2
    except KeyboardInterrupt as stop:
        tell("nst-jax: interrupted before there was anything to keep")
        # A compiled program may still be running: leave without tearing down what it works on.
        os._exit(getattr(stop, "code", 130))


def _run(argv: list[str]) -> int:
    if argv in (["--version"], ["-V"]):
        answer(f"nst-jax {nst_jax.__version__}")
        return 0
    try:
        command = parse(argv)
    except SystemExit:  # the help that was asked for is printed
        delivered()
        return 0
    with heard(), scripted(scripts.asked(command)):
        return command.run()
