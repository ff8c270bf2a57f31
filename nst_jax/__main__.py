"""`python -m nst_jax` is `nst-jax`."""

import sys


def start() -> None:
    """Run the command line; Ctrl-C while it is still loading ends it quietly."""
    try:
        from nst_jax.cli.streams import steady

        steady()
        from nst_jax.cli.main import main
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(main())


if __name__ == "__main__":
    start()
