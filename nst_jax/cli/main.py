"""Find the command, run it, and turn what a user can put right into one line and exit code 2."""

import contextlib
import difflib
import io
import os
import re
import sys
from dataclasses import fields
from typing import Annotated

import tyro

from nst_jax.cli.batch import Batch
from nst_jax.cli.demo import Demo
from nst_jax.cli.preset import expand_preset
from nst_jax.cli.rerun import Rerun
from nst_jax.cli.running import Running
from nst_jax.cli.single import Single
from nst_jax.cli.stylize import Stylize
from nst_jax.cli.sweep import Sweep, expand
from nst_jax.cli.translate import Translate
from nst_jax.cli.units import Units
from nst_jax.cli.weights import Weights
from nst_jax.errors import UserError
from nst_jax.recipe import Recipe

Command = (
    Annotated[Stylize, tyro.conf.subcommand("stylize")]
    | Annotated[Sweep, tyro.conf.subcommand("sweep")]
    | Annotated[Batch, tyro.conf.subcommand("batch")]
    | Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[Rerun, tyro.conf.subcommand("rerun")]
    | Annotated[Weights, tyro.conf.subcommand("weights")]
    | Annotated[Units, tyro.conf.subcommand("units")]
    | Annotated[Translate, tyro.conf.subcommand("translate")]
)

DESCRIPTION = """Neural style transfer: paint one picture with the texture of another.

Start with `nst-jax demo`, then `nst-jax stylize photo.jpg painting.jpg -o out.png`.
`nst-jax COMMAND --help` explains each command and its settings.
"""


def parse(argv: list[str]) -> Command:
    """Read the command line.

    Raises:
        UserError: in one line, what the parser would have said in a box.
    """
    said = io.StringIO()
    argv = expand_preset(expand(argv))
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(
                tyro.conf.OmitSubcommandPrefixes[Command], args=argv, prog="nst-jax", description=DESCRIPTION
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UserError(_one_line(said.getvalue())) from None


def _one_line(message: str) -> str:
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
    return f"{said}{_nearest(said)}; see nst-jax --help"


def _nearest(said: str) -> str:
    """Name the option that is most like one that there is not."""
    unknown = re.search(r"Unrecognized options: (--[\w.-]+)", said)
    known = [f"--{field.name.replace('_', '-')}" for kind in (Recipe, Running, Sweep, Single) for field in fields(kind)]
    near = difflib.get_close_matches(unknown[1], known, 1) if unknown else []
    return f": did you mean {near[0]}?" if near else ""


def main(argv: list[str] | None = None) -> int:
    """Run `nst-jax`; return 0, 2 for input to put right, 130 after Ctrl-C, 141 if nobody reads on (`| head`)."""
    try:
        try:
            return parse(sys.argv[1:] if argv is None else argv).run()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        return 141
    except UserError as error:
        print(f"nst-jax: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("nst-jax: interrupted before there was a picture to keep", file=sys.stderr, flush=True)
        # A compiled program may still be running: leave without tearing down what it works on.
        os._exit(130)
