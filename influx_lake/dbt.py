"""A dbt-duckdb plugin that offers the lake's tables as sources of a dbt project.

```yaml
# profiles.yml
lake:
  target: dev
  outputs:
    dev:
      type: duckdb
      path: models.duckdb
      plugins:
        - module: influx_lake.dbt
          config: {lake: lake.yaml}
```

Each table is `lake.<namespace>.<table>`, as it is when dbt connects, for the whole of a run. Its files are read as
`influx-lake sql` reads them: only those that a model needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbt.adapters.duckdb.plugins import BasePlugin

from influx_lake.config import load_lake
from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.sql.views import attach_lake

if TYPE_CHECKING:
    import duckdb

_OPTIONS = ("lake", "database", "tables")


class Plugin(BasePlugin):  # type: ignore[misc]
    """Attaches the lake to dbt's connection.

    Its `config`: `lake`, the lake.yaml (default: `$INFLUX_LAKE_CONFIG`, else `./lake.yaml`); `database`, the name of
    the lake in models (default: `lake`); `tables`, the measurements or tables to attach (default: all).
    """

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Validate the plugin's options in profiles.yml.

        Raises:
            ConfigurationError: An option is unknown.
        """
        # dbt-duckdb adds DuckDB's settings to the options.
        settings = (self.creds.settings if self.creds else None) or {}
        unknown = [name for name in plugin_config if name not in (*_OPTIONS, *settings)]
        if unknown:
            raise ConfigurationError(
                f"the dbt plugin influx_lake.dbt has no option {unknown[0]}", remedy=f"It has: {', '.join(_OPTIONS)}"
            )
        self._options = plugin_config

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Create the views, once for all threads of a run.

        Raises:
            ConfigurationError: The lake.yaml has mistakes, or a table is not the lake's.
            CatalogError: The catalog cannot be reached or refuses.
        """
        path = self._options.get("lake")
        lake = load_lake(Path(path) if path else None)
        catalog = open_catalog(lake.catalog.name, lake.catalog.properties(), lake.catalog.lock_timeout)
        conn.execute("SET TimeZone = 'UTC'")
        attach_lake(conn, lake, catalog, self._options.get("database", "lake"), self._options.get("tables"))
