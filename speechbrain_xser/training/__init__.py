"""Training: what trains when, on which target, with which optimiser, and how a run survives being killed."""
