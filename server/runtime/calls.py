"""What a method of the schema is to every door: who asks, and a message for a message."""

from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from server.actors import Actor

UseCase = Callable[[Actor, Any], Any]
"""Answers a request of somebody: a message for a message, but for what is offered over HTTP alone. It waits
for the database, so that it belongs in a thread."""


def described(method: str) -> MethodDescriptor:
    """The description of a method such as /dealwright.v1.DefinitionService/GetPromotion."""
    service, _, name = method.lstrip("/").partition("/")
    found: MethodDescriptor = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    return found


def request_type(method: str) -> type[Message]:
    """The message that a method takes."""
    return message_factory.GetMessageClass(described(method).input_type)
