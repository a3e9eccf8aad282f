"""Dealwright for Python.

`dealwright.v1` holds the messages and gRPC stubs of the schema. `descriptors.binpb` beside this file is the
schema itself, a `google.protobuf.FileDescriptorSet`, for tools that want it without a server's reflection.
"""
