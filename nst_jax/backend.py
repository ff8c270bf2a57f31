"""Start jax, or say in one line why it does not start; and leave it where it would wait for ever."""

import os
import re
import subprocess
import sys
from functools import cache

from nst_jax.errors import UserError
from nst_jax.files import one_line, shown

SECONDS = 60
"""That a trial of XLA's options may take."""


@cache
def imported() -> None:
    """Import jax, with options that it and XLA take; before several processes join, which comes before any device.

    Raises:
        UserError: XLA_FLAGS or a JAX_* variable of the environment holds what they do not take.
    """
    if flags := os.environ.get("XLA_FLAGS", "").strip():
        _try_flags(flags)
    try:
        import jax  # noqa: F401
    except ValueError as error:
        raise UserError(
            f"jax does not start ({one_line(error)}): put the variables JAX_* of the environment right"
        ) from error


def _try_flags(flags: str) -> None:
    """Let a process of its own read XLA's options: XLA ends the one in which it does not like them."""
    words = [sys.executable, "-c", "from jaxlib import xla_client; xla_client.CompileOptions()"]
    try:
        done = subprocess.run(words, capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return  # no trial, no verdict
    said = done.stderr.decode(errors="replace")
    if done.returncode and "flag" in said.lower() and "Traceback" not in said:
        reason = re.sub(r"^\w+ [\d:.]+ +\d+ \S+\] ", "", said.splitlines()[0])
        raise UserError(f"XLA_FLAGS is '{shown(flags)}', which XLA does not take ({shown(reason)}): put it right")


def leave() -> None:
    """End at once: jax would wait on for processes that did not come or are gone, and tell of it at length."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(2)


@cache
def start() -> None:
    """Import jax and find the devices.

    Raises:
        UserError: as `imported`, or there is no device as JAX_PLATFORMS asks for it.
    """
    imported()
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError, ValueError) as error:
        asked = os.environ.get("JAX_PLATFORMS", "")
        reason = one_line(error) if str(error) else "there is none"
        said = f", JAX_PLATFORMS being '{shown(asked)}'" if asked else ""
        raise UserError(f"jax finds no device ({reason}){said}: JAX_PLATFORMS=cpu runs anywhere") from error
