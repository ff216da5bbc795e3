"""Generation: a cache of rows, one answer for each row, its constraints and its drafts."""
