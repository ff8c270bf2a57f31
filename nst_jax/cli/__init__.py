"""The command line `nst-jax`: one small file per command, options generated from dataclasses."""
