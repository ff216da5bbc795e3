"""The ``xser`` command: one file per subcommand, each a thin layer over a function of the library."""
