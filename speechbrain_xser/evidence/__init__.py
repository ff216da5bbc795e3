"""Why the model says so: how much of a label each branch carries, and what another voice would make of it."""
