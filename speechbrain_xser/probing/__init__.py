"""What the latents of each branch keep and what they have lost, measured by small classifiers."""
