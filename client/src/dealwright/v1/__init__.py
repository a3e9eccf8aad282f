"""The messages and services of the protobuf package dealwright.v1, generated at build time."""
