"""Explains many recordings: finds them, explains each, and prints the results for a person or a program."""
