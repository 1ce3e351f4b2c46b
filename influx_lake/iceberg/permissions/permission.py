"""The rights that loading and maintenance need, and what came of trying one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """A right, by what it is for."""

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
        """Whether the store grants it, and not the catalog."""
        return self in OF_STORES


OF_STORES = frozenset({Permission.WRITE, Permission.READ, Permission.LIST, Permission.DELETE})


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission in the words of who grants it.

    Attributes:
        rights: What they call it: IAM actions, privileges, roles.
        on: What it is granted on: ARNs, a bucket, a namespace.
        remedy: What to do to have it, as a sentence.
    """

    rights: tuple[str, ...]
    on: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of trying a permission.

    Attributes:
        permission: Which.
        on: The namespace, or the folder of a store.
        detail: What was done, or why it was not.
        grant: The same in the words of who grants it.
        ok: Whether it is there.
        is_needed: Whether the lake cannot do without it.
        remedy: What to do, where it is missing.
    """

    permission: Permission
    on: str
    detail: str
    grant: Grant
    ok: bool = True
    is_needed: bool = True
    remedy: str | None = None
