"""Genuine backbones that ``xser setup`` downloads from the package index and converts to folders of safetensors."""
