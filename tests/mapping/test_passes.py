"""Every rewriting of a network is verified, and the pass that broke it is named."""

from dataclasses import replace

import pytest

from mapping.compile import compile_network
from mapping.cuts import split
from mapping.passes import rewritten
from pyimc.errors import ConfigError
from pyimc.network import Network, Node
from tests.mapping.networks import residual, small_arch


def _reversed(network: Network) -> Network:
    return replace(network, nodes=network.nodes[::-1])


def test_the_pass_that_breaks_a_network_is_named() -> None:
    with pytest.raises(ConfigError, match=r"after pass turn: network test is not well formed: node .* is not computed"):
        rewritten(residual(), keep=lambda network: network, turn=_reversed, again=_reversed)


def test_a_cut_that_forgets_a_type_does_not_get_to_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(cutter: split._Cutter) -> list[Node]:
        found = list(whole(cutter))
        del cutter.tensors[found[0].output]
        return found

    whole = split._Cutter.parts
    monkeypatch.setattr(split._Cutter, "parts", forget)
    with pytest.raises(ConfigError, match=r"after pass split: .* tensor b\.one\.y/c0 has no type"):
        compile_network(residual(), small_arch(), options={"split": "b.one:copies=2"})
