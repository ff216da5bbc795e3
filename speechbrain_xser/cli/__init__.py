"""The ``xser`` command: one file a subcommand, each a thin layer over a function of the library."""
