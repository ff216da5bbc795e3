"""Reproduces the paper's tables by one command: trains and evaluates every row, and reports all figures."""
