"""Files by name: show a name, refuse what is no plain file, never write over an input, write whole or not at all."""

import contextlib
import errno
import os
import shlex
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from nst_jax import temporary
from nst_jax.errors import UserError

AnyPath = str | os.PathLike[str]

LONGEST_SHOWN = 200
"""Characters of a name that a message shows; of a longer one the middle is left out."""

HDF5 = b"\x89HDF\r\n\x1a\n"
"""The first bytes of every .h5 file."""

_FULL = "free space in this folder, or choose another"
_ADVICE = {"ENAMETOOLONG": "give a shorter name", "ENOSPC": _FULL, "EDQUOT": _FULL, "EFBIG": _FULL}
_TARGET = "the name of a file to write"
_KINDS = {
    stat.S_ISDIR: "is a directory",
    stat.S_ISFIFO: "is a pipe",
    stat.S_ISSOCK: "is a socket",
    stat.S_ISCHR: "is a device",
    stat.S_ISBLK: "is a device",
}


def escaped(name: AnyPath) -> str:
    r"""Write a name so that it stays in its line: what does not print is escaped, and so are bytes that are no UTF-8.

    A line end becomes \n, the escape that starts a terminal's codes \x1b, a mark that turns the direction of writing
    \u202e, the byte 0xe9 of a Latin-1 name \xe9. Letters of every script stay as they are.
    """
    return "".join(c if c.isprintable() else _escape(c) for c in os.fspath(name))


def shown(name: AnyPath) -> str:
    """Write a name as `escaped` does, and of a very long one the beginning and the end."""
    text = escaped(name)
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


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte of a name that is no UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def quoted(words: Iterable[str]) -> str:
    r"""Write words as a command for a shell, in one line that prints: a word that does not print becomes $'caf\xe9'."""
    return " ".join(shlex.quote(word) if word.isprintable() else _ansi(word) for word in words)


def _ansi(word: str) -> str:
    """Quote a word byte by byte where it does not print, as bash, zsh, ksh and POSIX 2024 read it."""
    parts = []
    for character in word:
        if character in "'\\":
            parts.append(f"\\{character}")
        elif character.isprintable():
            parts.append(character)
        else:  # three octal digits: what follows a shorter code would be taken for a part of it
            data = character.encode("utf-8", "surrogateescape" if 0xDC80 <= ord(character) <= 0xDCFF else "replace")
            parts += [f"\\{byte:03o}" for byte in data]
    return f"$'{''.join(parts)}'"


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


def is_hdf5(path: AnyPath) -> bool:
    """Tell whether a plain file begins as every .h5 file does."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return file.read(len(HDF5)) == HDF5
    except (OSError, ValueError):
        return False


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

    `folders` says that the writer makes missing folders; the nearest one that exists then has to take them. Whether
    it does is tried with an empty file, which is removed at once, as is what a killed process left half written there.

    Raises:
        UserError: an input, a directory, a pipe or device, no folder, or one that takes no new file.
    """
    check_outputs([path], inputs)
    folder = Path(path).parent
    try:
        while folders and not folder.exists() and folder != folder.parent:
            folder = folder.parent
        with temporary.beside(folder):
            temporary.clean(folder)
    except OSError as error:
        raise unwritable(path, error) from error


def check_outputs(paths: Iterable[AnyPath], inputs: Iterable[AnyPath]) -> None:
    """Refuse to write over an input: the one function that decides it, for all that is written.

    An input is known by any name: another spelling, a symbolic or hard link, other letters where case does not count.

    Raises:
        UserError: an input, a directory, a pipe or device.
    """
    known = {identity(each): each for each in inputs}
    for path in paths:
        _check_target(path)
        if (found := identity(path)) in known:
            raise UserError(f"{shown(path)}: is an input ({shown(known[found])}); give the result another name")


def _check_target(path: AnyPath) -> None:
    """Refuse what a file must not replace; a device can be replaced by who is allowed everything."""
    found = _status(path, _TARGET, "written")
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise UserError(f"{shown(path)}: {_kind(found)}; expected {_TARGET}")


def identity(path: AnyPath) -> tuple[object, ...]:
    """Tell a file from all others, whatever name it is given; one that does not exist by where it would be."""
    with contextlib.suppress(OSError, ValueError):
        found = os.stat(path)
        return found.st_dev, found.st_ino
    with contextlib.suppress(OSError, ValueError):
        return (os.path.realpath(path),)
    return (os.fspath(path),)


def write_whole(path: AnyPath, write: Callable[[BinaryIO], object], *, folders: bool = False) -> None:
    """Write a file beside and rename it: at every moment there is the old one or the new one, never half of either.

    `write` gets the open file. If it raises, the old file stays and nothing is left behind. `folders` makes the
    folders that are missing.

    Raises:
        UserError: a directory, a folder that is missing or not writable, a full disk.
    """
    _check_target(path)
    path = Path(path)
    try:
        if folders:
            path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.beside(path.parent) as (beside, file):
            write(file)
            file.close()  # a full disk may say so only now, and must before the rename
            os.replace(beside, path)
    except OSError as error:
        raise unwritable(path, error) from error


def make_folder(path: AnyPath) -> None:
    """Make a folder and those above it.

    Raises:
        UserError: something else of that name, a folder that takes no new one, a full disk.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: AnyPath, error: OSError) -> UserError:
    """Word the refusal of a path that the system does not let us write."""
    advice = _ADVICE.get(errno.errorcode.get(error.errno or 0, ""), "choose another folder")
    return UserError(f"{shown(path)}: cannot be written ({one_line(error)}); {advice}")
