"""Draw masks/temple.png: the tower of images/temple.jpg white, all around it black.

python examples/draw_mask.py
"""

from pathlib import Path

from PIL import Image, ImageDraw

HERE = Path(__file__).parent
TOWER = (
    *((205, 28), (216, 60), (262, 102), (320, 128), (300, 138), (298, 160), (332, 178), (320, 192), (322, 228)),
    *((330, 242), (354, 256), (342, 276), (342, 308), (374, 336), (345, 372), (290, 385), (255, 380), (205, 362)),
    *((170, 340), (120, 335), (75, 340), (78, 290), (62, 262), (92, 240), (96, 195), (84, 178), (120, 158)),
    *((116, 138), (94, 128), (130, 100), (180, 72), (196, 55)),
)
"""Corners (x, y) in pixels."""


def draw(path: Path) -> None:
    """Write the mask, which has the size of the photograph."""
    with Image.open(HERE / "images/temple.jpg") as photograph:
        mask = Image.new("1", photograph.size)
    ImageDraw.Draw(mask).polygon(TOWER, fill=1)
    path.parent.mkdir(exist_ok=True)
    mask.save(path)


if __name__ == "__main__":
    draw(HERE / "masks/temple.png")
