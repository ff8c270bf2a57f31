"""`--device`: plans for a GPU or TPU that is not here."""

from typing import Literal

from nst_jax.errors import UserError

Device = Literal["", "h100", "v5e", "v5p"]
"""The names of `absent.ABSENT`, or none."""


def check_device(device: Device, dry_run: bool) -> None:
    """Refuse a device that is not here for anything but a plan.

    Raises:
        UserError: with how to plan for it.
    """
    if device and not dry_run:
        raise UserError(f"--device {device} plans for a device that is not here: add --dry-run")
