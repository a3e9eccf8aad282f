"""Roles as the schema has them, and back."""

from collections.abc import Iterable

from dealwright.v1.access_service_pb2 import AccessRole

from server.actors import Role
from server.runtime.errors import Invalid


def role_name(role: Role) -> str:
    """How the schema calls a role."""
    return f"ACCESS_ROLE_{role.name}"


_ROLES = {AccessRole.Value(role_name(role)): role for role in Role}
_VALUES = {role.value: value for value, role in _ROLES.items()}


def roles_of(values: Iterable[AccessRole.ValueType]) -> set[Role]:
    """The roles that a request names, or a refusal."""
    named = list(values)
    unknown = [value for value in named if value not in _ROLES]
    if unknown:
        raise Invalid("ENUM_UNKNOWN", f"{unknown[0]} is no role that this version knows", field="roles")
    return {_ROLES[value] for value in named}


def told(roles: Iterable[str]) -> list[AccessRole.ValueType]:
    """Roles as they are kept, for an answer. One that only a newer program knows isn't told."""
    return [_VALUES[role] for role in roles if role in _VALUES]
