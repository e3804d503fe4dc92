"""A placement as a file: which PU hosts which node, and the options that the Program was compiled with.

    options: {slack_rows: 2, grain: row, priority: output, split: ""}
    nodes: {conv1: 1, conv2: 2}

YAML, of which JSON is a part. Every run writes its own as `placement.yaml`; it is a strategy by its path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mapping.actors.buffers import allocate
from mapping.actors.graph import Graph
from mapping.actors.plan import SETTINGS, Plan, code_of, planned_graph, read_settings
from mapping.actors.validate import check_placement, check_program, check_schedule
from mapping.cuts.depthwise import OPTION
from mapping.cuts.split import read_cuts
from mapping.placement.ledger import Options, Placement
from pyimc.arch import Arch
from pyimc.errors import ConfigError
from pyimc.network import Network
from pyimc.program import Program

SUFFIXES = (".yaml", ".yml", ".json")
OPTIONS = (*SETTINGS, "split", OPTION)


@dataclass(frozen=True, slots=True)
class Fixed:
    """What a placement file says.

    Attributes:
        name: Of the file, for messages.
        nodes: PU of every node of the network as it is cut.
        options: Some of `OPTIONS`.
    """

    name: str
    nodes: Mapping[str, int]
    options: Options

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
        return Plan(Placement(dict(self.nodes)), cuts, settings)

    def check(self, graph: Graph, arch: Arch) -> None:
        """Raises ConfigError with all that is wrong."""
        faults = [f"no node '{name}' in the network" for name in self.nodes if name not in graph.nodes]
        faults += [f"node {name} has no PU" for name in graph.nodes if name not in self.nodes]
        for name, node in graph.nodes.items():
            places = arch.places(node.kind)
            if name in self.nodes and self.nodes[name] not in places:
                known = ", ".join(map(str, places))
                faults.append(f"node {name} is on {self.nodes[name]}, must be on one of the {node.kind} PUs {known}")
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
    """A placement as a mapping, `{"nodes": {...}}` with or without `"options"`; `name` is for messages.

    Raises:
        ConfigError: It is none.
    """
    if not isinstance(said, dict) or not isinstance(said.get("nodes"), dict) or said.keys() - {"nodes", "options"}:
        raise ConfigError(f"placement {name}: must have 'nodes', a mapping of node to PU, may have 'options', no more")
    for node, unit in said["nodes"].items():
        if not isinstance(node, str) or isinstance(unit, bool) or not isinstance(unit, int):
            raise ConfigError(f"placement {name}: nodes.{node} is {unit!r}, must be the number of a PU")
    options = said.get("options") or {}
    if not isinstance(options, dict) or set(options) - set(OPTIONS):
        raise ConfigError(f"placement {name}: options are {options!r}, known are {', '.join(OPTIONS)}")
    return Fixed(name, said["nodes"], options)


def placement_text(program: Program) -> str:
    """A Program's placement as a file."""
    options = {name: program.origin.options[name] for name in OPTIONS if name in program.origin.options}
    nodes = {actor.name: actor.node for actor in program.actors}
    return yaml.safe_dump({"options": options, "nodes": nodes}, sort_keys=False, allow_unicode=True)


def replanned(program: Program, arch: Arch, options: Options) -> Program:
    """A Program with its placement, for another architecture or with other options of `SETTINGS`.

    Raises:
        CapacityError: It does not fit.
    """
    settings = read_settings({**program.origin.options, **options})
    graph = planned_graph(program.network, arch, {}, settings)
    plan = Plan(Placement({actor.name: actor.node for actor in program.actors}), {}, settings)
    check_placement(graph, arch, plan.placement)
    channels = allocate(graph, arch, plan.placement, settings.slack_rows)
    check_schedule(graph, arch, plan.placement, channels)
    found = code_of(graph, arch, plan, channels, program.origin)
    check_program(found)
    return found
