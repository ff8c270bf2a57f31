"""Files by name: show a name, refuse what is no plain file, never write over an input, write whole or not at all."""

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from nst_jax.errors import UserError

AnyPath = str | os.PathLike[str]

LONGEST_SHOWN = 200
"""Characters of a name that a message shows; of a longer one the middle is left out."""

_TARGET = "the name of a file to write"
_KINDS = {
    stat.S_ISDIR: "is a directory",
    stat.S_ISFIFO: "is a pipe",
    stat.S_ISSOCK: "is a socket",
    stat.S_ISCHR: "is a device",
    stat.S_ISBLK: "is a device",
}


def shown(name: AnyPath) -> str:
    r"""Write a name so that it stays in its line: what does not print is escaped, and so are bytes that are no UTF-8.

    A line end becomes \n, the escape that starts a terminal's codes \x1b, a mark that turns the direction of writing
    \u202e, the byte 0xe9 of a Latin-1 name \xe9. Letters of every script stay as they are.
    """
    text = "".join(c if c.isprintable() else _escaped(c) for c in os.fspath(name))
    if len(text) <= LONGEST_SHOWN:
        return text
    half = (LONGEST_SHOWN - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def said(path: AnyPath) -> str:
    """Name a file without telling how this machine is laid out: relative as given, below here, or by its name alone."""
    name = os.fspath(path)
    if not os.path.isabs(name):
        return name
    below = Path(name).is_relative_to(Path.cwd())
    return str(Path(name).relative_to(Path.cwd())) if below else Path(name).name


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte of a name that is no UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def one_line(error: BaseException) -> str:
    """Put the reason of any exception into one line of at most `LONGEST_SHOWN` characters."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return shown(" ".join(reason.split())) or type(error).__name__


def regular(path: AnyPath, what: str) -> Path:
    """Pass the path of a plain file on; `what` says in words what was expected, such as "a weights file".

    Nothing is opened: a pipe without a writer would wait for ever, and a device may do anything.

    Raises:
        UserError: missing, a directory, a pipe, a device, a socket, or a name that no file can have.
    """
    found = _status(path, what, "read")
    if found is None:
        raise UserError(f"{shown(path)}: no such file; expected {what}: check the name")
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{shown(path)}: {_kind(found)}; expected {what}")
    return Path(path)


def _status(path: AnyPath, what: str, verb: str) -> os.stat_result | None:
    """Look a path up, links followed; None where there is nothing."""
    if not os.fspath(path):
        raise UserError(f"the name is empty; expected {what}")
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:  # a NUL, or a surrogate that stands for no byte
        raise UserError(f"{shown(path)}: is no name that a file can have ({one_line(error)}); give another") from None
    except OSError as error:  # too long, a link to itself, a folder that may not be entered
        raise UserError(f"{shown(path)}: cannot be {verb} ({one_line(error)}); expected {what}") from error


def _kind(found: os.stat_result) -> str:
    return next((words for test, words in _KINDS.items() if test(found.st_mode)), "is not a regular file")


def check_output(path: AnyPath, inputs: Iterable[AnyPath] = (), *, folders: bool = False) -> None:
    """Fail before any work where a result cannot be written, or would replace one of `inputs`.

    An input is known by any name: another spelling, a symbolic or hard link, other letters where case does not count.
    `folders` says that the writer makes missing folders; the nearest one that exists then has to take them. Whether
    it does is tried with an empty file, which is removed at once.

    Raises:
        UserError: an input, a directory, a pipe or device, no folder, or one that takes no new file.
    """
    _check_target(path)
    for each in inputs:
        if same_file(path, each):
            raise UserError(f"{shown(path)}: is an input ({shown(each)}); give the result another name")
    folder = Path(path).parent
    try:
        while folders and not folder.exists() and folder != folder.parent:
            folder = folder.parent
        probe = _beside(folder)
        probe.open("xb").close()
        probe.unlink()
    except OSError as error:
        raise unwritable(path, error) from error


def _check_target(path: AnyPath) -> None:
    """Refuse what a file must not replace; a device can be replaced by who is allowed everything."""
    found = _status(path, _TARGET, "written")
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise UserError(f"{shown(path)}: {_kind(found)}; expected {_TARGET}")


def same_file(one: AnyPath, other: AnyPath) -> bool:
    """Tell whether two names mean one file, existing or not."""
    with contextlib.suppress(OSError, ValueError):
        if os.path.samefile(one, other):
            return True
    with contextlib.suppress(OSError, ValueError):
        return os.path.realpath(one) == os.path.realpath(other)
    return False


def write_whole(path: AnyPath, write: Callable[[BinaryIO], object], *, folders: bool = False) -> None:
    """Write a file beside and rename it: at every moment there is the old one or the new one, never half of either.

    `write` gets the open file. If it raises, the old file stays and nothing is left behind. `folders` makes the
    folders that are missing.

    Raises:
        UserError: a directory, a folder that is missing or not writable, a full disk.
    """
    _check_target(path)
    path = Path(path)
    beside = _beside(path.parent)
    try:
        if folders:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("xb") as file:
                write(file)
            os.replace(beside, path)
        finally:  # after the rename there is nothing left to remove
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: AnyPath, error: OSError) -> UserError:
    """Word the refusal of a path that the system does not let us write."""
    reason = f"{shown(path)}: cannot be written ({one_line(error)})"
    return UserError(f"{reason}; choose another folder, or free space in this one")


def _beside(folder: Path) -> Path:
    """Name a temporary file: on the same disk, so that a rename is atomic; short, whatever the final name."""
    return folder / f".nst_jax-{secrets.token_hex(8)}.tmp"
