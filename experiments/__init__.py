"""Experiments: one question a script; README.md is the index."""
