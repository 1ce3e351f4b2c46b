"""The permissions that loads and maintenance need, and the result of trying one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """A permission, named by the operation that it allows."""

    LIST_NAMESPACES = "list namespaces"
    SEE_NAMESPACE = "see namespace"
    CREATE_NAMESPACE = "create namespace"
    LIST_TABLES = "list tables"
    CREATE_TABLE = "create table"
    LOAD_TABLE = "load table"
    COMMIT = "commit"
    DROP_TABLE = "drop table"
    WRITE = "write files"
    READ = "read files"
    LIST = "list files"
    DELETE = "delete files"

    @property
    def is_of_store(self) -> bool:
        """Whether the store grants it, not the catalog."""
        return self in OF_STORES


OF_STORES = frozenset({Permission.WRITE, Permission.READ, Permission.LIST, Permission.DELETE})


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission in the terms of the system that grants it.

    Attributes:
        rights: Its names there: IAM actions, privileges, roles.
        on: The resources that it is granted on: ARNs, a bucket, a namespace.
        remedy: How to grant it, as a sentence.
    """

    rights: tuple[str, ...]
    on: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of trying a permission.

    Attributes:
        permission: The permission.
        on: The namespace, or the folder of a store.
        detail: What was done, or why it failed.
        grant: The permission in the terms of the system that grants it.
        ok: Whether the identity has it.
        is_needed: Whether the lake needs it.
        remedy: What to do where it is missing.
    """

    permission: Permission
    on: str
    detail: str
    grant: Grant
    ok: bool = True
    is_needed: bool = True
    remedy: str | None = None
