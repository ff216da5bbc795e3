"""Files, records and locks: what every layer may use, and what uses none of them."""
