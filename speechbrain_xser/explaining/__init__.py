"""Many recordings at once: which they are, what a model says of each, and how a person or a program is told."""
