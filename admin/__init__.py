"""The admin layer of Dealwright: so far the `dealwright` command."""
