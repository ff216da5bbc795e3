"""How answers grow: rows of a cache, one answer a row, its rules and its guesses."""
