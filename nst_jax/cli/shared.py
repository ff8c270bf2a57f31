"""A single picture whose tiles several processes may share."""

from dataclasses import dataclass

from nst_jax.cli import interrupt, streams
from nst_jax.cli.joining import Several, join
from nst_jax.cli.single import Single
from nst_jax.errors import UserError
from nst_jax.printing import tell
from nst_jax.recipe import Recipe
from nst_jax.runs.together import ALONE, Together


@dataclass(frozen=True, kw_only=True)
class Shared(Several, Single):
    """How a single picture is carried out, and by whom."""

    def check_shared(self, recipe: Recipe, remedy: str = "") -> None:
        """Refuse several processes for a picture that has no tiles to share.

        Raises:
            UserError: with what else can be done, the `remedy`.
        """
        if self._shared and not recipe.tile:
            raise UserError(
                f"several processes share the tiles of one picture, and tile is 0: {remedy}leave --distributed, "
                "--coordinator, --processes and --process out"
            )

    @property
    def _shared(self) -> bool:
        return self.distributed or self.named

    def _joined(self, asked: interrupt.Request) -> Together:
        """Join the processes that are named, or those of the cluster, for good."""
        if not self._shared:
            return ALONE
        import jax

        if not jax.distributed.is_initialized():  # by the picture before this one
            streams.apart()
            try:
                join(self, say=(lambda _: None) if self.quiet else tell, stop=asked, stay=True)
            except KeyboardInterrupt as stop:
                raise interrupt.Stopped(asked.signum) from stop
            asked.listen()  # again: several processes of jax have a handler of their own for SIGTERM
        return Together(jax.process_count() > 1)


SHARED = Shared()
