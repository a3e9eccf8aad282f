"""The HTTP door: REST for the same use cases as gRPC and the command, described by OpenAPI."""
