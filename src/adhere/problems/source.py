"""Reading a program out of a response.

Rules, in this order; the first that yields a program which parses wins:
1. Fenced blocks, whatever their language tag, the last one left open or not. Of the blocks that define the wanted
   function the last counts (people correct themselves downwards); earlier blocks are put before it where it uses
   what they define.
2. A fenced block or the bare response, from a line that looks like code to where Python's parser gives up.
3. A fenced block, or the bare response, as the body that continues the stub's signature, indented or not.

What the stub defines before the wanted function (imports, helpers) is put in front: answers often leave it out.
Nothing is run here; Python's own parser reads everything.
"""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
import warnings

from adhere.problems.parsing import PARSER

FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([^\n`]*)$", re.MULTILINE)
START = re.compile(r"^(?:async\s+def|def|class|import|from|@|if|for|while|try|with|return|[A-Za-z_]\w*\s*[=(+\-*/|&])")
LONGEST = 60_000  # characters; nobody answers a function with more
CUTS = 8  # how often a text may be cut at a line that is no Python
STARTS = 20  # how many lines may look like the first of a program


def parse(source: str) -> ast.Module | None:
    """The syntax tree of `source`, None where it is not Python."""
    return _parse(source)[0]


def _parse(source: str) -> tuple[ast.Module | None, int]:
    """The syntax tree, and otherwise the line (from 1) at which the parser gave up, 0 if it does not say."""
    with PARSER, warnings.catch_warnings():  # which is not safe across threads either
        warnings.simplefilter("ignore")  # an invalid escape in an answer is no business of the user's terminal
        try:
            return ast.parse(source), 0
        except SyntaxError as error:
            return None, error.lineno or 0
        except (ValueError, MemoryError, RecursionError):
            return None, 0


def _prefix(source: str, at_least: int = 0) -> tuple[str, ast.Module] | None:
    """The beginning of `source` that parses, cut before the lines at which the parser gave up.

    None where it would be shorter than `at_least` lines or no end is found in `CUTS` cuts.
    """
    for _ in range(CUTS):
        tree, line = _parse(source)
        if tree is not None:
            return source, tree
        lines = source.split("\n")[: line - 1]
        if line == 0 or len(lines) <= at_least:
            return None
        source = "\n".join(lines)
    return None


def blocks(response: str) -> list[str]:
    """The contents of the fenced blocks, the last one also if its fence is never closed."""
    matches: list[str] = []
    opened: tuple[str, int] | None = None
    for match in FENCE.finditer(response):
        marks, tag = match[1], match[2].strip()
        if opened is None:
            opened = (marks, match.end() + 1)
        elif marks[0] == opened[0][0] and len(marks) >= len(opened[0]) and not tag:
            matches.append(response[opened[1] : match.start()])
            opened = None
    if opened is not None:
        matches.append(response[opened[1] :])
    return [textwrap.dedent(block) if block[:1] in " \t" else block for block in matches if block.strip()]


def defines(tree: ast.Module, name: str) -> bool:
    """Whether a module binds `name` at its top level."""
    return name in _bound(tree)


def _bound(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        else:
            names.update(
                part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            )
    return names


def _free(tree: ast.Module) -> set[str]:
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return used - _bound(tree) - set(dir(builtins))


def preamble(stub: str, entry: str) -> str:
    """What a stub in Python defines before the function it asks for; empty for a text that is no Python."""
    tree = parse(stub)
    if tree is None:
        return ""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == entry:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return "\n".join(stub.split("\n")[: first - 1]).strip("\n")
    return ""


def _run(text: str, entry: str) -> str | None:
    """The first run of lines in `text` that begins like code, parses and defines `entry`."""
    lines = text.split("\n")
    starts = [index for index, line in enumerate(lines) if START.match(line)]
    for start in starts[:STARTS]:
        prefix = _prefix("\n".join(lines[start:]))
        if prefix is not None and defines(prefix[1], entry):
            return prefix[0]
        if prefix is not None and prefix[0].count("\n") + start + 1 == len(lines):
            return None  # it is a program to the end, and does not define it
    return None


def _continued(stub: str, text: str, entry: str) -> str | None:
    """`text` as the body of the function whose signature ends `stub`; None where it is not one."""
    tree = parse(stub + "\n    pass\n")
    if tree is None or not defines(tree, entry):
        return None
    body = text.strip("\n")
    indented = textwrap.indent(textwrap.dedent(body), "    ")
    first, _, rest = body.partition("\n")
    # Chat models strip the first line's indentation and keep the others'.
    ragged = f"    {first.lstrip()}\n{rest}"
    head = stub.rstrip("\n") + "\n"
    for candidate in (body, ragged, indented):
        prefix = _prefix(head + candidate + "\n", at_least=head.count("\n"))
        if prefix is not None and _does_something(prefix[1], entry):
            return prefix[0]
    return None


def _does_something(tree: ast.Module, entry: str) -> bool:
    """Whether the function has a body besides the stub's docstring."""
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name == entry
        and any(not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)) for line in node.body)
        for node in tree.body
    )


def _from_blocks(found: list[str], entry: str) -> str | None:
    trees = [parse(block) for block in found]
    chosen = next(
        (i for i in range(len(found) - 1, -1, -1) if (tree := trees[i]) is not None and defines(tree, entry)), None
    )
    if chosen is None:
        return None
    program, missing = found[chosen], _free(trees[chosen] or ast.Module([], []))
    for index in range(chosen - 1, -1, -1):
        tree = trees[index]
        if tree is not None and missing & _bound(tree) and not defines(tree, entry):
            program = found[index].rstrip("\n") + "\n\n" + program
            missing = (missing | _free(tree)) - _bound(tree)
    return program


def _read(response: str, stub: str, entry: str) -> str | None:
    fenced = blocks(response)
    if (program := _from_blocks(fenced, entry)) is not None:
        return program
    for text in [*fenced, response]:  # prose inside a fence, or no fence around the code
        if entry in text and (program := _run(text, entry)) is not None:
            return program
    for text in [*reversed(fenced), response]:
        if stub and (whole := _continued(stub, text, entry)) is not None:
            return whole
    return None


def read_program(response: str, entry: str, stub: str = "") -> str | None:
    """The program in `response` that defines `entry`, or None where there is none.

    Args:
        response: a model's answer, reasoning removed.
        entry: name of the function that was asked for.
        stub: Python that ends in the function's signature and docstring; the response may be the body alone, and
            may leave out what the stub imports and defines.
    """
    response = response[:LONGEST].replace("\r\n", "\n")
    if not stub and entry not in response:
        return None
    program = _read(response, stub, entry)
    if program is None and "\t" in response:  # a body in tabs under a stub in spaces
        program = _read(response.expandtabs(4), stub, entry)
    if program is None:
        return None
    before = preamble(stub, entry)
    if not before or program.startswith(stub.rstrip("\n")):
        return program
    # `from __future__` must stay the first statement of the whole.
    future = "".join(line + "\n" for line in program.split("\n") if line.startswith("from __future__"))
    rest = "\n".join(line for line in program.split("\n") if not line.startswith("from __future__"))
    return f"{future}{before}\n\n{rest}"
