"""The encoders of a sweep: each problem is solved with the one that posed it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nst_jax.batch.sweep import Sweep
from nst_jax.errors import UserError
from nst_jax.networks import Encoder, fingerprint
from nst_jax.problem import Problem


@dataclass(frozen=True)
class Encoders:
    """Encoders by their fingerprints."""

    known: Mapping[str, Encoder]

    def of(self, problem: Problem) -> Encoder:
        """Find the encoder that posed a problem; the first, for a problem that nobody posed.

        Raises:
            UserError: none of them did.
        """
        if problem.fingerprint in self.known:
            return self.known[problem.fingerprint]
        if not problem.fingerprint:
            return next(iter(self.known.values()))
        there = ", ".join(f"{e.network.name} ({found[:12]}...)" for found, e in self.known.items())
        raise UserError(
            f"the problem was posed with the network {problem.network.name} ({problem.fingerprint[:12]}...) and the "
            f"encoder is {there}: solve with the encoder that posed it"
        )

    def check(self, sweep: Sweep) -> None:
        """Refuse a sweep of which some lane was posed with none of these.

        Raises:
            UserError: naming the networks.
        """
        for problem in {problem.fingerprint: problem for problem in sweep.problems}.values():
            self.of(problem)


def gathered(encoder: Encoder | Sequence[Encoder] | Encoders) -> Encoders:
    """Gather one encoder or several."""
    if isinstance(encoder, Encoders):
        return encoder
    several = [encoder] if isinstance(encoder, Encoder) else list(encoder)
    if not several:
        raise UserError("there is no encoder: give at least one")
    return Encoders({fingerprint(each): each for each in several})
