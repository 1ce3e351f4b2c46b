"""The pages of docs/query, as their readers run them: the fenced blocks of each heading, from above to below."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parents[3] / "docs" / "query"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, and its text."""

    language: str
    text: str


def blocks(page: str) -> dict[str, list[Block]]:
    """The blocks of a page, by the heading that they stand below."""
    found: dict[str, list[Block]] = defaultdict(list)
    for section in re.split(r"^## ", (PAGES / f"{page}.md").read_text(), flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        found[heading] += [Block(language, body) for language, body in _BLOCK.findall(text)]
    return dict(found)


def statement(of: list[Block]) -> str:
    """The last statement in SQL, without what ends it in a shell."""
    return [block.text for block in of if block.language == "sql"][-1].strip().removesuffix(";")


def run_python(text: str, names: dict[str, Any]) -> Any:
    """Run a block as a notebook does; gives the value of its last line."""
    parsed = ast.parse(text)
    last = parsed.body.pop() if isinstance(parsed.body[-1], ast.Expr) else None
    exec(compile(parsed, "page", "exec"), names)
    return eval(compile(ast.Expression(last.value), "page", "eval"), names) if isinstance(last, ast.Expr) else None


def table(page: str, number: int) -> dict[str, dict[str, str]]:
    """One of a page's tables, the first is 0: its cells by the column's heading, then by the row's first cell."""
    text = re.findall(r"(?:^\|.*\n)+", (PAGES / f"{page}.md").read_text(), re.MULTILINE)[number]
    heads, _, *rows = [[cell.strip() for cell in line.split(" | ")] for line in text.strip().splitlines()]
    return {
        _plain(head): {_plain(row[0]): _plain(row[place]) for row in rows} for place, head in enumerate(heads) if place
    }


def _plain(cell: str) -> str:
    return cell.strip("| ").replace("`", "")
