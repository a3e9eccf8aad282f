"""The admin layer of Dealwright: the `dealwright` command and the HTTP API."""
