"""What do styles do to contents? All given contents with all given styles as one batch.

Command: python -m experiments.stylize_batch
    --contents me.jpg you.jpg --styles a.jpg b.jpg --size 512 --steps 500 for your own pictures, where a GPU is at hand.
Cost: the column `seconds` of its rows, for all pictures.
Expected: lines (great wave), strokes (village street), flat shapes (composition) and broken colour (summertime) each
    carry over to every content, while hard edges of the content stay where they were.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from experiments import common, trials
from nst_jax import DEFAULT, Encoder, product


@dataclass(frozen=True)
class Config:
    """What is run: examples by name, or files."""

    contents: tuple[str, ...] = ("temple", "astronaut", "chelsea")
    styles: tuple[str, ...] = ("great_wave", "village_street_auvers", "composition_viii", "summertime")
    size: int = 128
    steps: int = 40


def main(config: Config, encoder: Encoder, runs: Path) -> Path:
    """Solve the batch; give the run folder."""
    folder = common.run_folder(config, runs)
    contents, styles = ([trials.square(name, config.size) for name in ns] for ns in (config.contents, config.styles))
    names = [Path(name).stem for name in config.contents], [Path(name).stem for name in config.styles]
    sweep = product(encoder, contents, styles, recipe=replace(DEFAULT, steps=config.steps), names=names)
    images, history, told = common.solved(folder / "found.npz", encoder, sweep)
    rows = []
    for lane in range(len(sweep)):
        first, last = ({term: x[lane, k] for term, x in history.items()} for k in (0, history["total"][lane].argmin()))
        ends = {"style_loss_left": last["style"] / first["style"], "content_loss": last["content"]}
        about = {"size": config.size, "steps": config.steps, **told}
        rows.append({**sweep.settings(lane), "total_loss_left": last["total"] / first["total"], **ends, **about})
    common.table(folder / "numbers.csv", rows)

    count = len(styles)
    sheet = {"": [None, *styles]}
    for i, (name, content) in enumerate(zip(names[0], contents, strict=True)):
        sheet[name] = [content, *images[i * count : (i + 1) * count]]
    made = common.figure(9, 9 / (count + 1) * (len(sheet) - 0.3))
    common.gallery(made, sheet, ["", *(name.replace("_", " ") for name in names[1])])
    common.save(
        folder / "figure.jpg", made, f"{config.size} px, {config.steps} steps\n{common.devices(rows)}", device=False
    )
    return folder


if __name__ == "__main__":
    common.command(main, Config)
