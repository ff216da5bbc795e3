"""A trained model as a folder: found, checked, written, read, exported and published."""
