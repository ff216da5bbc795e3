"""The paper's tables by one command: every row trained and evaluated, and one report beside the published figures."""
