"""Files, records and locks: helpers that every layer may use, and that use no other layer."""
