"""What XLA made of a program."""

import re

import jax


def moved_in_loop(compiled: jax.stages.Compiled, shape: str, kind: str = "f32") -> set[str]:
    """Name the operations in loops that make an array of a shape such as "21,960", with or without lanes."""
    text = (compiled.as_text() or "").split("ENTRY")[0]  # what comes before is done in the loop
    return {match[2] for match in re.finditer(rf"= {kind}\[(\d+,)?{shape}\]\S* (\S+?)\(", text)}
