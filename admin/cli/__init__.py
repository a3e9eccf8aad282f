"""The `dealwright` command, one file per subcommand."""
