"""Which programs may share a process with others.

Starting a process costs a millisecond or two; a pocket-sized program runs in microseconds. Programs may run one after
another in one process if nothing that they can do outlives them. That is so if a source is made of the parts listed
here: no import, no class, no try, no decorator, no name or attribute with a leading underscore, attributes only read
and only the methods listed, and of the builtins only those listed, which it gets as a copy. What then remains, running
out of time or memory, ends the shared process, and the cell runs the program by itself again.

The list is of what is allowed, so that what was not thought of runs alone.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable

BUILTINS = frozenset(
    "abs all any ascii bin bool bytes chr dict divmod enumerate filter float frozenset hex int len list map max min "
    "oct ord pow range repr reversed round set slice sorted str sum tuple zip "
    "ArithmeticError IndexError KeyError TypeError ValueError ZeroDivisionError".split()
)
"""All pure. print is not: a shared output file has one limit. Nor is what reaches frames or attributes by name."""

METHODS = frozenset(
    # str and bytes, without format: its fields read attributes
    "capitalize casefold center count endswith expandtabs find index isalnum isalpha isascii isdecimal isdigit "
    "isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip partition removeprefix "
    "removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title "
    "translate upper zfill "
    # list, dict, set, int, float
    "append clear copy extend insert pop remove reverse sort get items keys popitem setdefault update values add "
    "discard difference intersection isdisjoint issubset issuperset symmetric_difference union bit_length "
    "is_integer real imag".split()
)

_NODES = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For,
    ast.While, ast.If, ast.Expr, ast.Pass, ast.Break, ast.Continue, ast.Assert, ast.Raise, ast.BoolOp, ast.NamedExpr,
    ast.BinOp, ast.UnaryOp, ast.Lambda, ast.IfExp, ast.Dict, ast.Set, ast.List, ast.Tuple, ast.ListComp, ast.SetComp,
    ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Compare, ast.Call, ast.keyword, ast.Constant, ast.Attribute,
    ast.Subscript, ast.Slice, ast.Starred, ast.Name, ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop,
)  # fmt: skip
_SAFE = {name: getattr(builtins, name) for name in BUILTINS}


def are_plain(sources: Iterable[str]) -> bool:
    """Whether all of `sources`, run in one namespace, keep to the parts listed above."""
    stored: set[str] = set()
    loaded: set[str] = set()
    for source in sources:
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return False
        for node in ast.walk(tree):
            if not isinstance(node, _NODES):
                return False
            if isinstance(node, ast.Attribute):
                if node.attr not in METHODS or not isinstance(node.ctx, ast.Load):
                    return False
            elif isinstance(node, ast.Name):
                (loaded if isinstance(node.ctx, ast.Load) else stored).add(node.id)
            elif isinstance(node, ast.arg):
                stored.add(node.arg)
            elif isinstance(node, ast.FunctionDef):
                if node.decorator_list:
                    return False
                stored.add(node.name)
    return loaded <= stored | BUILTINS and not any(name.startswith("_") for name in stored | loaded)


def shadows_nothing(source: str) -> bool:
    """Whether `source`, which is plain, gives no builtin's name another meaning for what runs after it."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef):
            if node.name in BUILTINS:
                return False
            waiting += [*node.args.defaults, *(default for default in node.args.kw_defaults if default)]
        elif isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load) and node.id in BUILTINS:
                return False
        elif not isinstance(node, ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return True


def namespace() -> dict[str, object]:
    """A fresh namespace for one plain program, with builtins of its own."""
    return {"__builtins__": dict(_SAFE), "__name__": "answer"}
