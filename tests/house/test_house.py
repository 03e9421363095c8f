"""Promises of the whole house: layout, lazy face, docstrings, help texts, generated reference."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import zoohub
from zoohub.cli.main import COMMANDS, zoo

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "zoohub"


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("registry", "zoohub/registry"),
        ("adapters", "zoohub/adapters"),
        ("cards", "zoohub/cards"),
        ("alembic", "zoohub/migrations"),
    ],
)
def test_the_four_names_stand_at_the_root(link: str, target: str) -> None:
    assert (ROOT / link).is_symlink()
    assert (ROOT / link).readlink() == Path(target)


def test_importing_zoohub_loads_nothing_heavy() -> None:
    heavy = ["torch", "transformers", "sqlalchemy", "alembic", "numpy", "huggingface_hub", "yaml", "click"]
    code = f"import sys, zoohub; print([name for name in {heavy!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("name", zoohub.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(zoohub, name)
    assert (value.__doc__ or "").strip(), f"zoohub.{name} has no docstring"
    assert name in dir(zoohub)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = zoohub.nonsense


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for child in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), child)
            assert found is not None, f"{name} {child} is listed but not there"
            yield from _commands(found, f"{name} {child}")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    command = zoo.get_command(click.Context(zoo), name)
    assert command is not None
    for path, each in _commands(command, name):
        assert each.help, f"zoo {path} has no help"
        for option in each.params:
            if isinstance(option, click.Option):
                assert option.help, f"zoo {path} {option.opts[0]} has no help"


def test_the_command_reference_is_fresh() -> None:
    spec = importlib.util.spec_from_file_location("cli_reference", ROOT / "scripts" / "cli_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == module.render(), "docs/cli.md is stale: make docs"


def _public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef]:
    for node in tree.body:
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if named and not node.name.startswith("_"):
            yield node


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_and_public_names_have_docstrings(path: Path) -> None:
    if "migrations" in path.parts:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{path.name} has no docstring"
    bare = [node.name for node in _public(tree) if not ast.get_docstring(node)]
    assert not bare, f"{path.name}: no docstring on {', '.join(bare)}"


def test_unknown_command_names_the_near_one() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "zoohub.cli", "serch"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert run.returncode == 2
    assert "search" in run.stderr
    assert "Traceback" not in run.stderr


def test_completion_imports_no_command() -> None:
    code = "import sys, zoohub.cli.main as m; m.main()"
    env = {**os.environ, "_ZOO_COMPLETE": "bash_complete", "COMP_WORDS": "zoo se", "COMP_CWORD": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, env=env
    )
    assert "plain,search" in run.stdout.splitlines()
