"""Snapshots of a lane on its way, and an animation made of them."""

import importlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from nst_jax.errors import UserError
from nst_jax.files import one_line, shown, write_whole
from nst_jax.runs.folder import SNAPSHOTS

SECONDS = 5
"""Length of an animation, before the last picture rests."""


def snapshot(folder: Path, lane: int, step: int) -> Path:
    """Name the file of a lane's iterate at a step."""
    return folder / SNAPSHOTS / f"{lane:04d}" / f"{step:06d}.png"


def check(kind: str) -> None:
    """Refuse a kind of animation that cannot be made here.

    Raises:
        UserError: saying what is missing.
    """
    if kind not in ("", "gif", "mp4"):
        raise UserError(f"animate is '{kind}': expected gif or mp4")
    if kind == "mp4" and ffmpeg() is None:
        raise UserError("no ffmpeg here for an MP4: install ffmpeg or imageio-ffmpeg, or use --animate gif")


def ffmpeg() -> str | None:
    """Find the program, on the path or in the package imageio-ffmpeg."""
    if found := shutil.which("ffmpeg"):
        return found
    try:
        return importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return None


def animate(folder: Path, lane: int, picture: Path, kind: str) -> Path:
    """Make the animation of a lane beside its picture.

    Raises:
        UserError: it cannot be written, or ffmpeg fails.
    """
    frames = sorted(snapshot(folder, lane, 0).parent.glob("*.png"))
    target = picture.with_suffix(f".{kind}")
    rate = max(1, round(len(frames) / SECONDS))
    if kind == "gif":
        pictures = [Image.open(path).convert("RGB") for path in frames]
        last = round(1000 / rate) + 1500
        times = [round(1000 / rate)] * (len(pictures) - 1) + [last]
        first, *rest = pictures
        write_whole(
            target, lambda file: first.save(file, "GIF", save_all=True, append_images=rest, duration=times, loop=0)
        )
        return target
    write_whole(target, lambda file: file.write(_mp4(frames, rate, target)))
    return target


def _mp4(frames: Sequence[Path], rate: int, target: Path) -> bytes:
    """Let ffmpeg make a film, of pictures that it gets one after the other: no name of a file is read as a pattern."""
    program = ffmpeg()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="nst_jax-") as folder:
        film = Path(folder) / "film.mp4"
        words = ["-f", "image2pipe", "-framerate", str(rate), "-c:v", "png", "-i", "-"]
        # yuv420p, which every player knows, wants even sides
        words += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", "-fflags", "+bitexact", str(film)]
        pictures = b"".join(path.read_bytes() for path in frames)
        done = subprocess.run(
            [program, "-y", "-loglevel", "error", *words], input=pictures, capture_output=True, check=False
        )
        if done.returncode:
            said = one_line(RuntimeError(done.stderr.decode(errors="replace")))
            raise UserError(f"{shown(target)}: ffmpeg cannot make it ({said}); use --animate gif")
        return film.read_bytes()
