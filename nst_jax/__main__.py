"""`python -m nst_jax` is `nst-jax`."""

import sys

from nst_jax.cli.main import main

sys.exit(main())
