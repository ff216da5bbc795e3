"""Why the model answers as it does: what each branch contributes to a label, and how another voice would change it."""
