"""The errors of queries."""

from __future__ import annotations


class QueryError(Exception):
    """The query cannot be planned or run. The text is DataFusion's, as on the real server.

    Attributes:
        external: Whether the server reports it as its own failure, not as the query's.
    """

    external = False


class ExecutionError(QueryError):
    """The query failed while it ran."""

    external = True


class FileLimitExceeded(QueryError):
    """The query touches too many files."""

    external = True
