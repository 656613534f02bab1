"""What a program could do to the tests that grade it, read from its source before it is run.

- `can_be_apart` says whether tests need nothing of the answer but its function, so that they can run in a process that
  the answer cannot reach. This is the rule; what follows is for the others.
- `suspicion` names the first thing in a program by which it could make tests in its own process pass: an equality of
  its own, another meaning for a builtin that the tests use, a way to frames, modules, the garbage collector or memory.

A suspicious program need not cheat, so suspicion counts only where its tests passed in its own process.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable

from adhere.problems.source import parse

_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__builtins__"}
_EQUALITY = frozenset({"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__bool__", "__contains__"})
_REACH = frozenset(
    "_getframe f_back f_globals f_locals f_builtins f_trace tb_frame tb_next gi_frame cr_frame ag_frame __globals__ "
    "__builtins__ __main__ __traceback__ __code__ __closure__ __subclasses__ settrace setprofile addaudithook "
    "currentframe getouterframes stack get_objects get_referrers get_referents excepthook globals setattr delattr "
    "setswitchinterval _exit".split()
)
_MODULES = frozenset("builtins ctypes gc inspect __main__ importlib traceback _ctypes unittest".split())
_RUNNERS = frozenset({"exec", "eval", "__import__"})


def can_be_apart(tests: Iterable[str], setup: Iterable[str], entry: str, helpers: str) -> bool:
    """Whether `tests`, after `setup` and `helpers`, use no name that only the answer could define, but `entry`."""
    used: set[str] = set()
    known = {entry, *_BUILTINS}
    for source in tests:
        tree = parse(source)
        if tree is None:
            return False
        known |= _defined(tree)
        used |= _loaded(tree)
    for source in setup:
        tree = parse(source)
        if tree is None:
            return False
        known |= _defined(tree)
        used |= _loaded(tree)
    if helpers and (tree := parse(helpers)) is not None:
        known |= _defined(tree)
    return used <= known


def _loaded(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _defined(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
    return names


def suspicion(program: str, tests: Iterable[str]) -> str:
    """What in `program` could make `tests` pass that ran in its own process; "" where nothing was seen."""
    tree = parse(program)
    if tree is None:
        return ""
    used: set[str] = set()
    for test in tests:
        test_tree = parse(test)
        used |= _loaded(test_tree) if test_tree is not None else set()
    for node in ast.walk(tree):
        reason = _suspicious(node)
        if reason:
            return reason
    shadowed = _module_names(tree) & _BUILTINS & used
    if shadowed:
        return f"it gives {min(shadowed)}, which its tests use, another meaning"
    return ""


def _suspicious(node: ast.AST) -> str:
    if isinstance(node, ast.ClassDef):
        for part in ast.walk(node):
            name = part.name if isinstance(part, ast.FunctionDef) else part.id if isinstance(part, ast.Name) else ""
            if name in _EQUALITY:
                return f"it defines {name}"
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 40:
        name = node.value
    if name in _REACH or name in _EQUALITY:
        return f"it uses {name}"
    modules: list[str] = []
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        modules = [node.module or "", *(alias.name for alias in node.names)]
    for module in modules:
        if module.partition(".")[0] in _MODULES:
            return f"it imports {module}"
    if isinstance(node, ast.Attribute) and node.attr == "modules":
        return "it uses sys.modules"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _RUNNERS:
        return f"it calls {node.func.id}"
    return ""


def _module_names(tree: ast.Module) -> set[str]:
    """What a program defines at its top level, or declares global."""
    names: set[str] = set()
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            names |= {name for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
        else:
            waiting += ast.iter_child_nodes(node)
    return names
