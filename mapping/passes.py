"""Rewritings of a network, each verified before anything else sees what it made."""

from collections.abc import Callable

from pyimc.errors import ConfigError
from pyimc.network import Network
from pyimc.network_rules import verify

Pass = Callable[[Network], Network]


def rewritten(network: Network, **passes: Pass) -> Network:
    """A network after some passes, in their order.

    Args:
        network: A verified network.
        passes: By what they do; one that changes nothing gives back what it got.

    Raises:
        ConfigError: What a pass made is not well formed; it names the pass.
    """
    for name, change in passes.items():
        after = change(network)
        if after is not network:
            try:
                verify(after)
            except ConfigError as error:
                raise ConfigError(f"after pass {name}: {error}") from None
        network = after
    return network
