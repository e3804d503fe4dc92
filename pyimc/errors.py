"""The one family of errors that a user's mistake raises.

A message says where, what was got and what is allowed, and what to do next, on one line. The command line
catches `ImcError` only, prints the line and exits with `exit_code`.
"""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

_NAMED = 3


def grouped(faults: Mapping[str, Sequence[str]]) -> str:
    """What is wrong, the most frequent first, each with how often and three names.

    Args:
        faults: Names of what it is wrong with, by what is wrong.
    """
    listed = sorted(faults.items(), key=lambda fault: -len(fault[1]))
    return "; ".join(_with_names(reason, names) for reason, names in listed)


def _with_names(reason: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    count = f"{len(names)} times: " if len(names) > 1 else ""
    return f"{reason} ({count}{', '.join(names[:_NAMED])}{more})"


def faults(error: ValidationError) -> str:
    """All that a model of pydantic refuses, each with the path of its key."""
    said = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        got = "" if fault["type"] in ("missing", "value_error") else f", got {fault['input']!r}"
        said.append(f"{key}: {message}{got}" if key else f"{message}{got}")
    return "; ".join(said)


class ImcError(Exception):
    """Base of everything that pyimc refuses; `exit_code` is what the command line returns."""

    exit_code = 2


class ConfigError(ImcError):
    """An architecture, option or input file that is not understood or not possible."""


class UnsupportedOperator(ImcError):
    """A network uses operators or attributes that the compiler does not handle (all are listed at once)."""


class CapacityError(ImcError):
    """A network does not fit the architecture: the message gives needed and available, per resource."""


class EncodingError(ImcError):
    """A value does not fit its instruction field, or a Program's bytes are not what its manifest says."""


class ScheduleError(ImcError):
    """A schedule breaks one of the rules that the independent validator checks."""


class ToolError(ImcError):
    """A tool outside Python is missing or failed (simulator, system package)."""


class MismatchError(ImcError):
    """A value that left an actor differs from the golden model."""

    exit_code = 1


class InfidelityError(ImcError):
    """The quantised network is not the network that was given, and the user asked for no less (`--strict`)."""

    exit_code = 1


class DeadlockError(ImcError):
    """The chip stopped before the last output: the message names who waits for whom."""

    exit_code = 1


class StrategyError(ImcError):
    """A user's own strategy raised an exception, or gave something else than a placement."""

    exit_code = 3
