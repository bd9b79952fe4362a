"""The tree shows the architecture: no import circle, layers that stand on each other, and every name once."""

import ast
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "zoo").rglob("*.py"))
LAYERS = (
    {"errors"},
    {"support"},
    {"chroma"},
    {"data", "metrics", "models"},
    {"results"},
    {"training", "pages"},
    {"evaluation"},
    {"report"},
    {"export"},
    {"train", "evaluate", "colorize", "hints", "gallery", "released", "convert", "__init__", "__main__"},
    {"studio"},
)
"""Packages and modules of `zoo`, from the bottom up: each imports those below it, and itself."""

COMMANDS = {"evaluate", "gallery"}
"""Modules that are named after a command, and may have a library's name."""


def module(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


MODULES = {module(path): path for path in FILES}


def imports(path: Path) -> set[str]:
    """The modules of `zoo` that a file imports, anywhere in it, but for type checkers alone."""
    found: set[str] = set()

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node: ast.If) -> None:
            if "TYPE_CHECKING" not in ast.unparse(node.test):
                self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> None:
            found.update(each.name for each in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            for each in node.names:
                whole = f"{node.module}.{each.name}"
                found.add(whole if whole in MODULES else str(node.module))

    Visitor().visit(ast.parse(path.read_text(encoding="utf-8")))
    return (found & MODULES.keys()) - {module(path)}


def test_there_is_no_import_circle():
    graph = {name: imports(path) for name, path in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"circle: {' → '.join((*way[way.index(name) :], name))}"
        if name not in done:
            for each in sorted(graph[name]):
                visit(each, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_layers_stand_on_each_other():
    def layer(name: str) -> int:
        part = (*name.split("."), "__init__")[1]
        return next(index for index, parts in enumerate(LAYERS) if part in parts)

    def part(name: str) -> str:
        return (*name.split("."), "__init__")[1]

    for name, path in MODULES.items():
        if name.endswith("__main__"):
            continue  # a command
        for each in imports(path):
            if part(each) != part(name):
                assert layer(each) < layer(name), f"{name} imports {each}, which is not below it"


def test_every_file_has_a_name_of_its_own():
    stems = Counter(path.stem for path in FILES if not path.stem.startswith("__"))
    assert [stem for stem, count in stems.items() if count > 1 and stem not in COMMANDS] == []


def test_every_class_has_a_name_of_its_own():
    where = defaultdict(list)
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                where[node.name].append(module(path))
    assert {name: places for name, places in where.items() if len(places) > 1} == {}
