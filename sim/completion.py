"""`pyimc completion SHELL`: what a shell needs to complete commands, arguments, names and files (by shtab)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sim.manual import leaves

SHELLS = ("bash", "zsh", "fish")
FISH_FILES = "(__fish_complete_path (commandline -ct))"


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for a shell; see the examples of `pyimc completion --help`."""
    import shtab

    known = _names()
    for _, command in leaves(parser):
        for action in command._actions:
            words = [option.lstrip("-") for option in action.option_strings]
            name = next((word for word in words if word in known), "")
            if name:
                _complete(action, _word_or_file(name, known[name]))
            elif action.type is Path:
                _complete(action, shtab.FILE)
    preamble = "\n".join(_function(shell, name, words) for name, words in known.items() if shell != "fish")
    return str(shtab.complete(parser, shell, preamble=preamble))


def _names() -> dict[str, tuple[str, ...]]:
    """What the arguments of these names take besides a path."""
    from mapping.models import BUILTIN
    from mapping.placement import strategies
    from pyimc.arch import CONFIGS
    from sim.toolchain.simulator import ARRAYS, SIMULATORS

    return {
        "model": tuple(BUILTIN), "strategy": strategies.names(), "sim": tuple(SIMULATORS), "array": ARRAYS,
        "arch": tuple(sorted(path.stem for path in CONFIGS.glob("*.yaml"))), "level": ("rtl", "cycle", "golden"),
    }  # fmt: skip


def _complete(action: argparse.Action, how: Any) -> None:
    action.complete = how  # type: ignore[attr-defined]


def _word_or_file(name: str, words: tuple[str, ...]) -> dict[str, str]:
    return {"bash": f"_pyimc_{name}", "zsh": f"_pyimc_{name}", "fish": f"{' '.join(words)} {FISH_FILES}"}


def _function(shell: str, name: str, words: tuple[str, ...]) -> str:
    said = " ".join(words)
    if shell == "bash":
        return f'_pyimc_{name}() {{ compgen -W "{said}" -- "$1"; compgen -f -- "$1"; }}'
    return f"_pyimc_{name}() {{ _alternative 'names:{name}:({said})' 'files:file:_files' }}"
