"""Names are shown in one line, no input is written over, and a file is written whole or not at all."""

import errno
import os
import resource
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nst_jax import files, temporary
from nst_jax.errors import UserError


def refusal(function, *args, **options) -> str:
    """Give the refusal, which must be one printable line."""
    with pytest.raises(UserError) as caught:
        function(*args, **options)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 700
    return message


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("photo.jpg", "photo.jpg"),
        ("grüße 漢字 😀.png", "grüße 漢字 😀.png"),
        ("a\nb\tc\r.png", r"a\nb\tc\r.png"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        (os.fsdecode(b"caf\xe9.png"), r"caf\xe9.png"),
        ("\ud800", r"\ud800"),
        ("-rf", "-rf"),
        (Path("a/b"), "a/b"),
        ("x" * 200, "x" * 200),
        ("a" * 2500 + "b" * 2500, "a" * 99 + "…" + "b" * 99),
    ],
)
def test_a_name_is_shown_in_one_line(name, want):
    assert files.shown(name) == want


@given(st.text(st.characters(), max_size=300))
def test_every_name_prints_as_utf8(name):
    shown = files.shown(name)
    assert shown.isprintable()
    assert len(shown) <= files.LONGEST_SHOWN
    shown.encode("utf-8")


@given(st.text(st.characters(exclude_characters="\0"), max_size=40))
def test_every_word_of_a_command_is_read_back_by_a_shell(word):
    try:
        os.fsencode(word)
    except UnicodeEncodeError:
        return
    assert files.quoted([word]).isprintable()
    if word.isprintable():
        assert shlex.split(files.quoted(["a", word])) == ["a", word]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_shell_gets_the_very_bytes():
    names = [
        os.fsdecode(b"caf\xe9"),
        "a\nb",
        "it's \x1b[31m1",
        "\u202e\\x",
        "-a b",
        "\t漢'0",
        os.fsdecode(bytes(range(1, 256))),
    ]
    said = subprocess.run(["bash", "-c", f"printf '%s\\0' {files.quoted(names)}"], capture_output=True, check=True)
    assert said.stdout.split(b"\0")[:-1] == [os.fsencode(name) for name in names]


def test_the_reason_of_any_exception_is_one_line():
    assert files.one_line(ValueError("two\nlines \x1b[0m")) == r"two lines \x1b[0m"
    assert files.one_line(OSError(errno.ENOSPC, "No space left on device", "/a")) == "No space left on device"
    assert files.one_line(MemoryError()) == "MemoryError"


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as it:
        it.bind(os.path.relpath(path))  # a socket's name is short


def a_loop(path: Path) -> None:
    path.symlink_to(path)


NOT_PLAIN = {
    "directory": (Path.mkdir, "is a directory"),
    "pipe": (os.mkfifo, "is a pipe"),
    "link to a pipe": (lambda path: (os.mkfifo(f"{path}2"), path.symlink_to(f"{path}2")), "is a pipe"),
    "socket": (a_socket, "is a socket"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a device"),
    "link to itself": (a_loop, "Too many levels of symbolic links"),
}
NO_NAMES = {
    "empty": ("", "the name is empty"),
    "NUL": ("a\0b", r"a\\x00b: is no name that a file can have"),
    "lone surrogate": ("\ud800", "is no name that a file can have"),
    "255 letters and more": ("x" * 300, "File name too long"),
    "5000 letters": ("y" * 5000, "File name too long"),
}


@pytest.mark.parametrize("kind", NOT_PLAIN)
def test_what_is_no_plain_file_is_neither_read_nor_replaced(tmp_path, kind):
    make, said = NOT_PLAIN[kind]
    path = tmp_path / "name"
    make(path)
    before = os.lstat(path)
    assert said in refusal(files.regular, path, "a picture")
    assert said in refusal(files.check_output, path)
    assert said in refusal(files.write_whole, path, lambda file: file.write(b"x"))
    assert os.lstat(path).st_ino == before.st_ino


@pytest.mark.parametrize("kind", NO_NAMES)
def test_a_name_that_no_file_can_have_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    name, said = NO_NAMES[kind]
    for function in (
        lambda: files.regular(name, "a picture"),
        lambda: files.check_output(name),
        lambda: files.write_whole(name, lambda file: file.write(b"x")),
    ):
        with pytest.raises(UserError, match=said):
            function()
        refusal(function)
    assert list(tmp_path.iterdir()) == []


def test_a_plain_file_passes_under_any_name(tmp_path):
    for name in ("a", "-a", "two words", "a\nb", os.fsdecode(b"caf\xe9"), "漢" * 80):
        path = tmp_path / name
        path.write_bytes(b"x")
        assert files.regular(path, "a picture") == path
        assert files.regular(str(path), "a picture") == path
        files.check_output(path)
        files.write_whole(path, lambda file: file.write(b"y"))
        assert path.read_bytes() == b"y"


def test_a_missing_file_is_said(tmp_path):
    assert "no such file; expected a picture" in refusal(files.regular, tmp_path / "a", "a picture")
    (tmp_path / "file").touch()
    assert "no such file" in refusal(files.regular, tmp_path / "file" / "a", "a picture")


def other_names(path: Path) -> dict[str, Path]:
    """Make every other name of a file that the system knows."""
    folder = path.parent
    (folder / "sub").mkdir()
    (folder / "soft").symlink_to(path)
    (folder / "hard").hardlink_to(path)
    (folder / "folder").symlink_to(folder, target_is_directory=True)
    names = {
        "itself": path,
        "spelled otherwise": folder / "sub" / ".." / path.name,
        "soft link": folder / "soft",
        "hard link": folder / "hard",
        "through a linked folder": folder / "folder" / path.name,
        "relative": Path(os.path.relpath(path)),
    }
    upper = path.with_name(path.name.upper())
    return names | ({"other case": upper} if upper.exists() else {})


def test_an_input_is_never_an_output_by_any_name(tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"photograph")
    for kind, name in other_names(photo).items():
        for output, given_input in ((name, photo), (photo, name)):
            assert "is an input" in refusal(files.check_output, output, ["other.png", given_input]), kind
    files.check_output(tmp_path / "out.png", [photo])
    assert photo.read_bytes() == b"photograph"


def test_other_letters_are_another_name_of_an_input_where_the_system_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "identity", lambda path: str(path).lower())
    assert "is an input" in refusal(files.check_output, tmp_path / "OUT.png", [tmp_path / "out.PNG"])


def test_an_input_that_does_not_exist_yet_is_known_too(tmp_path):
    assert "is an input" in refusal(files.check_output, tmp_path / "a.png", [tmp_path / "b" / ".." / "a.png"])


def test_a_folder_must_be_there_unless_the_writer_makes_it(tmp_path):
    deep = tmp_path / "not" / "there" / "a.png"
    assert "cannot be written" in refusal(files.check_output, deep)
    files.check_output(deep, folders=True)
    (tmp_path / "file").touch()
    for folders in (False, True):
        assert "cannot be written" in refusal(files.check_output, tmp_path / "file" / "a.png", folders=folders)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert "cannot be written" in refusal(files.write_whole, deep, lambda file: file.write(b"x"))
    files.write_whole(deep, lambda file: file.write(b"x"), folders=True)
    assert deep.read_bytes() == b"x"
    in_the_way = tmp_path / "file" / "b" / "a.png"
    assert "Not a directory" in refusal(files.write_whole, in_the_way, lambda file: file.write(b"x"), folders=True)


def failing(error: BaseException):
    """Give a function that writes half, if it is given a file, and fails."""

    def fail(*args) -> None:
        if len(args) == 1:
            args[0].write(b"half")
        raise error

    return fail


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), KeyError()])
@pytest.mark.parametrize("moment", ["write", "rename"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch, error, moment, existing):
    path = tmp_path / "a"
    if existing:
        path.write_bytes(b"before")
    if moment == "rename":
        monkeypatch.setattr(os, "replace", failing(error))
    expected = UserError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected) as caught:
        files.write_whole(path, failing(error) if moment == "write" else lambda file: file.write(b"new"))
    if expected is UserError:
        assert "No space left on device" in str(caught.value)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"] * existing


def test_a_limit_of_the_system_leaves_nothing_half_written(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        said = refusal(files.write_whole, tmp_path / "a", lambda file: file.write(bytes(9999)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "cannot be written (File too large); free space in this folder" in said
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_readable_as_any_other(tmp_path):
    files.write_whole(tmp_path / "a", lambda file: file.write(b"x"))
    (tmp_path / "b").write_bytes(b"x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_what_a_killed_process_left_is_removed_and_what_is_being_written_is_not(tmp_path):
    left = [tmp_path / ".nst_jax-0123.tmp", tmp_path / ".nst_jax-photo.tmp"]
    other = [tmp_path / "a.tmp", tmp_path / ".nst_jax-0123", tmp_path / "sub/.nst_jax-1.tmp"]
    other[2].parent.mkdir()
    for path in (*left, *other):
        path.write_bytes(b"half")
    (tmp_path / ".nst_jax-folder.tmp").mkdir()

    def write(file) -> None:
        file.write(b"new")
        files.check_output(tmp_path / "b")

    files.write_whole(tmp_path / "a", write)
    assert (tmp_path / "a").read_bytes() == b"new"
    assert sorted(tmp_path.iterdir()) == sorted(
        [*other[:2], other[2].parent, tmp_path / "a", tmp_path / ".nst_jax-folder.tmp"]
    )
    temporary.clean(tmp_path, deep=True)
    assert not other[2].exists()
