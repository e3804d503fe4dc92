"""A placement as a file: which PU hosts which node, and the options that the Program was compiled with.

    options: {slack_rows: 2, grain: row, priority: output, split: ""}
    nodes: {conv1: 1, conv2: 2}
    windows: {}

Layers share crossbar planes if `windows` says where: `conv1: [0, 27, 32]` is plane, row and column of its last tiles.
YAML, of which JSON is a part. Every run writes its own as `placement.yaml`; it is a strategy by its path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mapping.actors.buffers import allocate
from mapping.actors.graph import Graph
from mapping.actors.plan import SETTINGS, Plan, code_of, planned_graph, read_settings
from mapping.actors.validate import check_placement, check_program, check_schedule
from mapping.cuts.depthwise import OPTION
from mapping.cuts.reload import OPTION as RELOAD
from mapping.cuts.split import read_cuts
from mapping.placement.ledger import Options, Placement
from mapping.placement.windows import Window, given, window_faults
from pyimc.arch import Arch
from pyimc.errors import ConfigError
from pyimc.network import Network
from pyimc.program import Program

SUFFIXES = (".yaml", ".yml", ".json")
OPTIONS = (*SETTINGS, "split", OPTION, RELOAD)


@dataclass(frozen=True, slots=True)
class Fixed:
    """What a placement file says.

    Attributes:
        name: Of the file, for messages.
        nodes: PU of every node of the network as it is cut.
        options: Some of `OPTIONS`.
        windows: Of nodes that share crossbar planes.
    """

    name: str
    nodes: Mapping[str, int]
    options: Options
    windows: Mapping[str, Window] = field(default_factory=dict)

    def plan(self, network: Network, arch: Arch, given: Options, seed: int, asked: Options) -> Plan:
        """The deployment; what the user asks for beside it goes first.

        Raises:
            ConfigError: Nodes that the network does not have, or that have no place, or none of their kind.
        """
        if given:
            raise ConfigError(f"{self.name}: a placement takes no option '{next(iter(given))}'; leave it out")
        cuts = read_cuts(str(self.options.get("split", "")))
        settings = read_settings({**self.options, **asked})
        self.check(planned_graph(network, arch, cuts, settings), arch)
        return Plan(Placement(dict(self.nodes), windows=self.windows), cuts, settings)

    def check(self, graph: Graph, arch: Arch) -> None:
        """Raises ConfigError with all that is wrong."""
        faults = [f"no node '{name}' in the network" for name in self.nodes if name not in graph.nodes]
        faults += [f"node {name} has no PU" for name in graph.nodes if name not in self.nodes]
        faults += [f"windows: no node '{name}' in the network" for name in self.windows if name not in graph.nodes]
        for name, node in graph.nodes.items():
            places = arch.places(node.kind)
            if name in self.nodes and self.nodes[name] not in places:
                known = ", ".join(map(str, places))
                faults.append(f"node {name} is on {self.nodes[name]}, must be on one of the {node.kind} PUs {known}")
        for unit in sorted(set(self.nodes.values())) if not faults else ():
            names = [name for name in graph.nodes if self.nodes[name] == unit]
            faults += window_faults(graph, arch, given(graph, self.windows, names))
        if faults:
            more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
            raise ConfigError(f"{self.name}: {'; '.join(faults[:3])}{more}; `placement.yaml` of a run is an example")


def read_placement(path: Path) -> Fixed:
    """Reads a placement file.

    Raises:
        ConfigError: It is none.
    """
    if not path.is_file():
        raise ConfigError(f"placement {path}: no such file; every run leaves a `placement.yaml`")
    try:
        said: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"placement {path}: not YAML ({' '.join(str(error).split())[:120]})") from None
    return placement_of(said, str(path))


def placement_of(said: Any, name: str) -> Fixed:
    """A placement as a mapping, `{"nodes": {...}}` with or without the other keys; `name` is for messages.

    Raises:
        ConfigError: It is none.
    """
    known = {"nodes", "options", "windows"}
    if not isinstance(said, dict) or not isinstance(said.get("nodes"), dict) or said.keys() - known:
        raise ConfigError(
            f"placement {name}: must have 'nodes', a mapping of node to PU, may have 'options' and 'windows', no more"
        )
    for node, unit in said["nodes"].items():
        if not isinstance(node, str) or isinstance(unit, bool) or not isinstance(unit, int):
            raise ConfigError(f"placement {name}: nodes.{node} is {unit!r}, must be the number of a PU")
    options = said.get("options") or {}
    if not isinstance(options, dict) or set(options) - set(OPTIONS):
        raise ConfigError(f"placement {name}: options are {options!r}, known are {', '.join(OPTIONS)}")
    windows = said.get("windows") or {}
    if not isinstance(windows, dict):
        raise ConfigError(
            f"placement {name}: windows is {windows!r}, must be a mapping of node to [plane, row, column]"
        )
    return Fixed(name, said["nodes"], options, {node: _window(name, node, at) for node, at in windows.items()})


def _window(name: str, node: Any, said: Any) -> Window:
    if not isinstance(said, list) or len(said) != 3 or any(type(number) is not int for number in said):
        raise ConfigError(f"placement {name}: windows.{node} is {said!r}, must be [plane, row, column]")
    return Window(*said)


def placement_text(program: Program) -> str:
    """A Program's placement as a file."""
    options = {name: program.origin.options[name] for name in OPTIONS if name in program.origin.options}
    said: dict[str, Any] = {"options": options, "nodes": {actor.name: actor.node for actor in program.actors}}
    windows = {name: list(window) for name, window in _windows(program).items()}
    said |= {"windows": windows} if windows else {}
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True)


def _windows(program: Program) -> dict[str, Window]:
    """Of all layers on units where one does not start in the corner of its planes."""
    units = {actor.node for actor in program.actors if actor.row or actor.column}
    travelling = {channel.consumer for channel in program.channels if channel.memory == "plane"}
    return {
        actor.name: Window(actor.plane, actor.row, actor.column)
        for actor in program.actors
        if actor.node in units and actor.planes and actor.name not in travelling
    }


def replanned(program: Program, arch: Arch, options: Options) -> Program:
    """A Program with its placement, for another architecture or with other options of `SETTINGS`.

    Raises:
        CapacityError: It does not fit.
    """
    settings = read_settings({**program.origin.options, **options})
    graph = planned_graph(program.network, arch, {}, settings)
    nodes = {actor.name: actor.node for actor in program.actors}
    plan = Plan(Placement(nodes, windows=_windows(program)), {}, settings)
    check_placement(graph, arch, plan.placement)
    channels = allocate(graph, arch, plan.placement, settings.slack_rows)
    check_schedule(graph, arch, plan.placement, channels)
    found = code_of(graph, arch, plan, channels, program.origin)
    check_program(found)
    return found
