"""`InfluxLakeComponent`: a lake.yaml, or its sections in a defs.yaml, as Dagster definitions;
discovery is its state.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import dagster as dg
from dagster.components import DefsStateConfig, DefsStateConfigArgs, ResolvedDefsStateConfig
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver
from pydantic import BaseModel

from influx_lake.component.attributes import SECTIONS, with_lake_schema
from influx_lake.component.scaffolder import LakeScaffolder
from influx_lake.config import Discovered, Lake, lake_of, load_lake, read_discovered
from influx_lake.config.report.diagnostics import Location, Place
from influx_lake.config.sources.discovery import read_discovered_file, replace_discovered
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.assets.translation import with_translated_keys
from influx_lake.orchestration.automation.discovery_sensor import Discovery
from influx_lake.orchestration.dagster_internals import (
    DefsStateManagementType,
    defs_state_path,
    defs_state_storage_of,
)
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.orchestration.lake_names import safe_name

if TYPE_CHECKING:
    from influx_lake.orchestration.dagster_internals import SourcePositionTree

log = logging.getLogger("influx_lake.component")

Translation = Annotated[TranslationFn[Any], TranslationFnResolver[Any](lambda data: {"data": data})]
"""Modifies the asset of a measurement: attributes, or a function of `AssetSpec` and measurement."""

# Not refreshed where `dg dev` loads the definitions: that would ask servers, which may be down.
_LOCAL = DefsStateConfigArgs(management_type=DefsStateManagementType.LOCAL_FILESYSTEM, refresh_if_dev=False)
_REMEDY = "Let `dg utils refresh-defs-state` write it again"
# In-memory state does not outlive the code server, which runs discovery at every start.
_UNKEPT = DefsStateManagementType.LEGACY_CODE_SERVER_SNAPSHOTS


@dg.scaffold_with(LakeScaffolder)
class InfluxLakeComponent(dg.StateBackedComponent, dg.Resolvable):
    """The measurements of a lake as assets.

    ```yaml
    type: influx_lake.InfluxLakeComponent
    attributes:
      config: ../../lake.yaml
    ```

    In place of `config`, the sections of a lake.yaml: `storage`, `sources`, `catalog`, `defaults`, `measurements`,
    `alerts`.

    What the lake brings into the project (resources, pools, jobs, sensors) begins with its `name`: the one
    it states, else that of the component's folder, so that a project can hold several lakes.

    Which measurements patterns stand for is the component's state. A lake without patterns has none.

    Args:
        config: The lake.yaml, relative to the defs.yaml.
        name: These are the sections of a lake.yaml.
        translation: Changes the assets of measurements and their roll-ups: key, group, tags and what else is said of
            them. What it is given is `spec` and `data`, the measurement.
        defs_state: Where Dagster keeps what discovery found.
    """

    def __init__(
        self,
        config: str | None = None,
        name: str | None = None,
        sources: dict[str, Any] | None = None,
        catalog: dict[str, Any] | None = None,
        defaults: dict[str, Any] | None = None,
        measurements: dict[str, Any] | None = None,
        automation: str | bool | None = None,
        run: dict[str, Any] | None = None,
        pools: dict[str, Any] | None = None,
        discovery: dict[str, Any] | None = None,
        alerts: dict[str, Any] | None = None,
        storage: dict[str, Any] | None = None,
        translation: Translation | None = None,
        defs_state: ResolvedDefsStateConfig = _LOCAL,
    ) -> None:
        given = locals()
        self.config = config
        self.translation = translation
        self.defs_state = defs_state
        self._sections = {section: given[section] for section in SECTIONS if given[section] is not None}
        self._read: Callable[[Discovered | None], Lake] | None = None
        self._lake: Lake | None = None
        self._root = Path()
        self._known = Discovered()
        self._change: Callable[[Discovered], Discovered] = self._asked

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The attribute model of the defs.yaml, with the options of a lake.yaml in its JSON schema."""
        return with_lake_schema(cls.model())

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Load the declaration. Nothing is contacted, and secrets are not read.

        Raises:
            ConfigurationError: The declaration has mistakes; all of them are in it.
        """
        # Not the class in between, which names the state before the lake has its name, also of a lake without any.
        component = super(dg.StateBackedComponent, cls).load(attributes, context)
        component.placed(context)
        if component.discovers:
            key = component.defs_state_config.key
            context.component_tree.mark_component_defs_state_key(defs_state_key=key, loc=context.component_loc)
        return component

    @property
    def lake(self) -> Lake:
        """The lake, with the discovery results kept beside its lake.yaml.

        Raises:
            ConfigurationError: `load` was not called.
        """
        if self._lake is None:
            raise ConfigurationError(
                f"{type(self).__name__} does not know where it is",
                remedy=f"Write {type(self).__name__}(...).placed(context), with the context of `component_instance`",
            )
        return self._lake

    @property
    def keyed_lake(self) -> Lake:
        """The lake, whose measurements and roll-ups have the asset keys that `translation` gives them."""
        if self.translation is None:
            return self.lake
        return with_translated_keys(self.lake, self._definitions(self.lake).resolve_all_asset_specs())

    @property
    def discovers(self) -> bool:
        """Whether it depends on discovery: it has patterns of measurements or databases."""
        return bool(self.lake.patterns or self.lake.groups)

    @property
    def defs_state_config(self) -> DefsStateConfig:
        """Where Dagster keeps the discovery results."""
        return DefsStateConfig.from_args(self.defs_state, default_key=f"InfluxLakeComponent[{self.lake.name}]")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build the Dagster definitions."""
        if self._lake is None:
            self.placed(context)
        return super().build_defs(context) if self.discovers else self._definitions(self.lake)

    def build_defs_from_state(
        self,
        context: dg.ComponentLoadContext,  # noqa: ARG002
        state_path: Path | None,
    ) -> dg.Definitions:
        """Build the definitions from discovery results; without any, from those kept beside the lake.yaml."""
        if state_path is None or self._read is None:
            return self._definitions(self.lake)
        return self._definitions(self._read(read_discovered_file(state_path, _REMEDY)))

    async def refresh_state(self, project_root: Path) -> str:
        """Run discovery and keep the results. A lake without patterns keeps none."""
        if not self.discovers:
            return ""
        self._known = self._kept(project_root) or read_discovered(self.lake.root)
        return await super().refresh_state(project_root)

    def write_state_to_path(self, state_path: Path) -> None:
        """Run discovery and write the results, with vanished measurements that have tables.

        Raises:
            SourceError: A source cannot be listed.
        """
        known = self._change(self._known)
        state_path.write_text(known.as_text(), encoding="utf-8")
        if self.config and self.defs_state.management_type is DefsStateManagementType.LOCAL_FILESYSTEM:
            # The command line, which works on the lake.yaml, knows the same.
            replace_discovered(self.lake.root, known)

    def awaits_first_points(self, instance: dg.DagsterInstance) -> bool:
        """Whether a listed measurement is missing because its first point is unknown."""
        with defs_state_storage_of(instance):
            kept = self._kept(self._root)
        lake = self._read(kept) if self._read and kept else self.lake
        return lake.awaits_first_points

    def keep(self, instance: dg.DagsterInstance, change: Callable[[Discovered], Discovered]) -> None:
        """Update the state with results found by the sensor, `influx-lake discover` or `influx-lake ui`."""
        if self.defs_state.management_type is _UNKEPT:
            return
        self._change = change
        try:
            with defs_state_storage_of(instance):
                asyncio.run(self.refresh_state(self._root))
        finally:
            self._change = self._asked

    def _kept(self, project_root: Path) -> Discovered | None:
        """The state; None where there is none, or Dagster keeps none."""
        if self.defs_state_config.management_type is _UNKEPT:
            return None
        with defs_state_path(self.defs_state_config, project_root) as path:
            return read_discovered_file(path, _REMEDY) if path else None

    def _definitions(self, lake: Lake) -> dg.Definitions:
        return build_definitions(lake, keep=self.keep if self.discovers else None, translation=self.translation)

    def _asked(self, known: Discovered) -> Discovered:
        """The discovery results of all sources."""
        from influx_lake.replication.discovery import survey_sources
        from influx_lake.sources import open_source

        lake = self._read(known) if self._read else self.lake
        with ExitStack() as stack:

            @cache
            def source(name: str) -> Any:
                opened = open_source(lake.source(name))
                stack.callback(opened.close)
                return opened

            survey = survey_sources(lake, source)
        vanished = {name: () for name in lake.sources if any(group.holds(name) for group in lake.groups)}
        if survey.resolved.warning:
            log.warning("%s", survey.resolved.warning)
        return Discovery.of(survey.lake, {**vanished, **survey.found}).added_to(known)

    def placed(self, context: dg.ComponentLoadContext) -> Self:
        """The component with its declaration loaded, for the location of its defs.yaml.

        Raises:
            ConfigurationError: The declaration has mistakes; all of them are in it.
        """
        if (self.config is None) == (not self._sections):
            raise ConfigurationError(
                f"{context.path}: the attributes of {type(self).__name__} must be `config`, or the sections of a "
                "lake.yaml",
                remedy="Write `config: lake.yaml`, or `sources:` and `measurements:`",
            )
        folder = context.path.parent if context.path.is_file() else context.path
        tree = context.resolution_context.source_position_tree
        inside = tree.children.get("attributes") if tree else None
        path = Path(tree.position.filename) if tree else folder / "defs.yaml"
        places = dict(_places(inside)) if inside else {}

        def read(discovered: Discovered | None) -> Lake:
            if self.config is not None:
                return _named(load_lake(folder / self.config, discovered), context)
            return _named(lake_of(self._sections, path, places, discovered), context)

        self._read, self._root, self._lake = read, context.project_root, read(None)
        return self


def _places(tree: "SourcePositionTree", location: Location = ()) -> Iterator[tuple[Location, Place]]:
    yield location, Place(Path(tree.position.filename), tree.position.start.line)
    for name, child in tree.children.items():
        yield from _places(child, (*location, name))


def _named(lake: Lake, context: dg.ComponentLoadContext) -> Lake:
    """The lake, named after its component's folder where it has no `name`."""
    if lake.name is not None:
        return lake
    parts = list(context.path.with_suffix("").absolute().relative_to(context.defs_module_path.absolute()).parts)
    # Several in one defs.yaml are told apart by their numbers, those in a module by the names of their functions.
    instance = getattr(context.component_loc, "instance_key", None)
    if context.path.name == "component.py" and instance == "load":
        parts, instance = parts[:-1], None
    name = safe_name("_".join([*parts, *([str(instance)] if instance else [])]))
    return replace(lake, operation=lake.operation.model_copy(update={"name": name or None}))
