"""Let atheris, a coverage-guided fuzzer, write files for one reader: a process of its own, no test.

python tests/fuzz_readers.py record|weights SECONDS FOLDER: anything but a UserError ends it with a trace
"""

import sys
from collections.abc import Callable
from pathlib import Path

import atheris  # type: ignore[import-not-found]

instrumented = atheris.instrument_imports(include=["nst_jax", "pyfive", "msgspec"])  # type: ignore[attr-defined]
with instrumented:
    from nst_jax import record
    from nst_jax.errors import UserError
    from nst_jax.plain import parsed, validated
    from nst_jax.runs.reading import Manifest
    from nst_jax.weights.convert import opened
    from nst_jax.weights.recognise import recognise
    from nst_jax.weights.store import read_weights


def refused(read: Callable[[], object]) -> None:
    """Read; what is no UserError of one line that prints is a find."""
    said = ""
    try:
        read()
    except UserError as error:
        said = str(error)
    assert said.isprintable(), said


def records(data: bytes) -> None:
    """Read a record and a manifest."""
    text = data.decode("utf-8", "surrogateescape")
    refused(lambda: record.from_metadata({record.KEY: text}, Path("x.png")))
    refused(lambda: validated(parsed(data, "it"), Manifest, "it"))


def weights(path: Path) -> Callable[[bytes], None]:
    """Give what reads a file as weights, ours and other people's, which are told by their first bytes."""

    def foreign() -> None:
        with opened(path) as found:
            recognise(found, None)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        refused(lambda: read_weights(path))
        refused(foreign)

    return read


if __name__ == "__main__":
    what, seconds, place = sys.argv[1:]
    words = ["fuzz", "-seed=1", f"-max_total_time={seconds}", "-rss_limit_mb=4096", "-timeout=60", "-max_len=100000"]
    target = records if what == "record" else weights(Path(place, "fuzzed"))
    atheris.Setup([*words, f"-artifact_prefix={place}/", f"{place}/corpus"], target)
    atheris.Fuzz()
