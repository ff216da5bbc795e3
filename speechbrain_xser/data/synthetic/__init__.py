"""The embedded corpus: synthetic speech whose every label is true by construction."""

from .corpus import prepare

__all__ = ["prepare"]
