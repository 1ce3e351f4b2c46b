"""A catalog whose commits go wrong, where a fault cannot be caused from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyiceberg.catalog import Catalog


class Interfering:
    """Stands between the commits of a catalog and the catalog, until `stop`.

    Attributes:
        before: What each commit raises before the catalog hears of it, None for nothing.
        after: What each commit raises after it took place.
        late: Commits that were swallowed with an error, and can be let through later.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.commit_table = catalog.commit_table
        catalog.commit_table = self  # type: ignore[method-assign,assignment]
        self.before: list[BaseException | None] = []
        self.after: list[BaseException | None] = []
        self.swallowing: BaseException | None = None
        self.late: list[Callable[[], Any]] = []
        self.then: Callable[[], None] = lambda: None
        self.asked = 0

    def __call__(self, *arguments: Any) -> Any:
        self.asked += 1
        if self.swallowing is not None:
            error, self.swallowing = self.swallowing, None
            self.late.append(lambda: self.commit_table(*arguments))
            raise error
        if self.before and (error := self.before.pop(0)):
            raise error
        answer = self.commit_table(*arguments)
        self.then()
        if self.after and (error := self.after.pop(0)):
            raise error
        return answer
