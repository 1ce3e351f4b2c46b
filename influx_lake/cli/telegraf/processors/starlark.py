"""Converts starlark scripts that only compute fields and tags: parsed with Python's `ast`."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import singledispatch

from influx_lake.cli.telegraf.document import Plugin
from influx_lake.cli.telegraf.remarks import NotCarriedOver, Remarks
from influx_lake.cli.telegraf.shape import Shape, Sql
from influx_lake.cli.telegraf.sql import literal

_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS = {ast.Eq: "=", ast.NotEq: "<>", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_CASTS = {"float": "DOUBLE", "str": "VARCHAR", "bool": "BOOLEAN"}
_METHODS = {"lower": "lower", "upper": "upper"}
_FUNCTIONS = {"abs": "abs", "min": "least", "max": "greatest", "len": "length"}
_KINDS = {"fields": "field", "tags": "tag"}


def starlark(plugin: Plugin, shape: Shape, remarks: Remarks) -> None:
    """Convert `starlark`: columns computed by arithmetic and comparisons."""
    source = plugin.options.get("source")
    if not isinstance(source, str):
        remarks.leave_out(plugin, "the script is in a file of its own: write what it does under `computed`")
        return
    if plugin.options.get("constants"):
        remarks.leave_out(plugin, "constants of scripts are not carried over", "constants")
        return
    with remarks.leaving_out(plugin, "source"):
        variables = _Names(shape)
        # The whole script is converted before the shape is changed.
        for step in _read(source):
            step(variables)


@dataclass(slots=True)
class _Names:
    """The names in scope: the metric and the script's variables."""

    shape: Shape
    variables: dict[str, Sql] = field(default_factory=dict)


_Value = Callable[[_Names], Sql]
_Step = Callable[[_Names], None]


def _read(source: str) -> list[_Step]:
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        raise NotCarriedOver("the script is no Python") from None
    found = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    others = [node for node in module.body if not isinstance(node, ast.FunctionDef) and not _is_text(node)]
    if len(found) != 1 or others or found[0].name != "apply" or len(found[0].args.args) != 1:
        raise NotCarriedOver("the script has more than one function apply(metric)")
    point = found[0].args.args[0].arg
    body = [node for node in found[0].body if not _is_text(node)]
    last = body[-1] if body else None
    if not (isinstance(last, ast.Return) and isinstance(last.value, ast.Name) and last.value.id == point):
        raise NotCarriedOver(f"the script does not end with `return {point}`")
    return [_step(node, point) for node in body[:-1]]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _step(node: ast.stmt, point: str) -> _Step:
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        return _assignment(node.targets[0], _value(node.value, point), point)
    if isinstance(node, ast.AugAssign) and type(node.op) in _ARITHMETIC:
        sum_of = ast.BinOp(left=_as_value(node.target), op=node.op, right=node.value)
        return _assignment(node.target, _value(sum_of, point), point)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        place = _called(node.value, point, "pop")
        if place is not None:
            return lambda names: names.shape.drop(*place)
    if isinstance(node, ast.If) and not node.orelse and len(node.body) == 1:
        return _conditional(node, point)
    raise NotCarriedOver(f"line {node.lineno} of the script is more than an assignment")


def _as_value(target: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(target), mode="eval").body


def _assignment(target: ast.expr, value: _Value, point: str) -> _Step:
    if isinstance(target, ast.Name):
        name = target.id

        def remember(names: _Names) -> None:
            names.variables[name] = ("(", *value(names), ")")

        return remember
    if _is_name_of(target, point):
        raise NotCarriedOver("the script names the measurement")
    place = _column_place(target, point)
    if place is None:
        raise NotCarriedOver(f"line {target.lineno} of the script sets something else than a field or tag")
    column, kind = place
    return lambda names: names.shape.compute(column, value(names), kind)


def _conditional(node: ast.If, point: str) -> _Step:
    inner = node.body[0]
    place = _column_place(inner.targets[0], point) if isinstance(inner, ast.Assign) else None
    if place is None or not isinstance(inner, ast.Assign):
        raise NotCarriedOver(f"line {node.lineno} of the script is more than an assignment")
    condition, value, (name, kind) = _value(node.test, point), _value(inner.value, point), place

    def assign(names: _Names) -> None:
        shape = names.shape
        # It is unknown whether the source has such a column too: one that only the script sets is null elsewhere.
        before: Sql = (" ELSE ", column) if shape.knows(name) and (column := shape.column(name, kind)) else ()
        shape.compute(name, ("CASE WHEN ", *condition(names), " THEN ", *value(names), *before, " END"), kind)

    return assign


@singledispatch
def _value(node: ast.expr, point: str) -> _Value:  # noqa: ARG001 - the other forms look at the point
    raise NotCarriedOver(f"line {node.lineno} of the script is more than arithmetic and comparisons")


@_value.register
def _(node: ast.Constant, point: str) -> _Value:  # noqa: ARG001
    if not isinstance(node.value, str | int | float):
        raise NotCarriedOver(f"line {node.lineno} of the script is more than arithmetic and comparisons")
    text = literal(node.value)
    return lambda names: (text,)


@_value.register
def _(node: ast.Name, point: str) -> _Value:  # noqa: ARG001
    return _variable(node.id)


@_value.register
def _(node: ast.Subscript, point: str) -> _Value:
    place = _column_place(node, point)
    if place is None:
        raise NotCarriedOver(f"line {node.lineno} of the script reads something else than a field or tag")
    return _column(*place)


@_value.register
def _(node: ast.BinOp, point: str) -> _Value:
    if type(node.op) not in _ARITHMETIC:
        raise NotCarriedOver(f"line {node.lineno} of the script divides without a rest, which SQL does otherwise")
    return _operation(_ARITHMETIC[type(node.op)], node.left, node.right, point)


@_value.register
def _(node: ast.UnaryOp, point: str) -> _Value:
    if not isinstance(node.op, ast.USub | ast.Not):
        raise NotCarriedOver(f"line {node.lineno} of the script is more than arithmetic and comparisons")
    operand, sign = _value(node.operand, point), "-" if isinstance(node.op, ast.USub) else "NOT "
    return lambda names: (f"({sign}", *operand(names), ")")


@_value.register
def _(node: ast.Compare, point: str) -> _Value:
    if len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
        return _operation(_COMPARISONS[type(node.ops[0])], node.left, node.comparators[0], point)
    return _membership(node, point)


@_value.register
def _(node: ast.BoolOp, point: str) -> _Value:
    word = " AND " if isinstance(node.op, ast.And) else " OR "
    values = [_value(each, point) for each in node.values]
    return lambda names: ("(", *[part for value in values for part in (word, *value(names))][1:], ")")


@_value.register
def _(node: ast.IfExp, point: str) -> _Value:
    test, then, other = (_value(each, point) for each in (node.test, node.body, node.orelse))
    return lambda names: ("CASE WHEN ", *test(names), " THEN ", *then(names), " ELSE ", *other(names), " END")


def _variable(name: str) -> _Value:
    if name in ("True", "False"):
        return lambda names: (name.lower(),)

    def value(names: _Names) -> Sql:
        if name not in names.variables:
            raise NotCarriedOver(f"the script has no {name} of its own")
        return names.variables[name]

    return value


def _column(name: str, kind: str, default: str | None = None) -> _Value:
    def value(names: _Names) -> Sql:
        column = names.shape.column(name, kind)
        if column is None:
            return (default or "NULL",)
        return (column,) if default is None else ("coalesce(", column, f", {default})")

    return value


def _operation(operator: str, left: ast.expr, right: ast.expr, point: str) -> _Value:
    if operator == "+" and any(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in (left, right)):
        operator = "||"
    first, second = _value(left, point), _value(right, point)
    return lambda names: ("(", *first(names), f" {operator} ", *second(names), ")")


def _membership(node: ast.Compare, point: str) -> _Value:
    """Convert `"name" in metric.fields`, or membership in a list."""
    if len(node.ops) != 1 or not isinstance(node.ops[0], ast.In | ast.NotIn):
        raise NotCarriedOver(f"line {node.lineno} of the script is more than arithmetic and comparisons")
    negated = "NOT " if isinstance(node.ops[0], ast.NotIn) else ""
    where = node.comparators[0]
    kind = _kind_of(where, point)
    if kind is not None and isinstance(node.left, ast.Constant) and isinstance(node.left.value, str):
        column = _column(node.left.value, kind)
        return lambda names: (*column(names), " IS NULL" if negated else " IS NOT NULL")
    if isinstance(where, ast.List | ast.Tuple) and where.elts:
        value, values = _value(node.left, point), [_value(each, point) for each in where.elts]
        return lambda names: (
            *value(names),
            f" {negated}IN (",
            *_joined(values, names),
            ")",
        )
    raise NotCarriedOver(f"line {node.lineno} of the script is more than arithmetic and comparisons")


@_value.register
def _(node: ast.Call, point: str) -> _Value:
    if (place := _called(node, point, "get")) is not None:
        if len(node.args) == 1:
            return _column(*place)
        if isinstance(node.args[1], ast.Constant) and isinstance(node.args[1].value, str | int | float):
            return _column(*place, literal(node.args[1].value))
    elif isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS and not node.args:
        function, value = _METHODS[node.func.attr], _value(node.func.value, point)
        return lambda names: (f"{function}(", *value(names), ")")
    elif isinstance(node.func, ast.Name) and not node.keywords and node.args:
        name, values = node.func.id, [_value(each, point) for each in node.args]
        if name in _CASTS and len(values) == 1:
            return lambda names: ("CAST(", *values[0](names), f" AS {_CASTS[name]})")
        if name == "int" and len(values) == 1:
            return lambda names: ("CAST(trunc(", *values[0](names), ") AS BIGINT)")
        if name in _FUNCTIONS:
            return lambda names: (f"{_FUNCTIONS[name]}(", *_joined(values, names), ")")
    raise NotCarriedOver(f"line {node.lineno} of the script calls {ast.unparse(node.func)}")


def _joined(values: list[_Value], names: _Names) -> Sql:
    return tuple([part for value in values for part in (", ", *value(names))][1:])


def _called(node: ast.Call, point: str, method: str) -> tuple[str, str] | None:
    """The column of `metric.fields.pop("name")`."""
    func = node.func
    if not isinstance(func, ast.Attribute) or func.attr != method or not node.args:
        return None
    kind, name = _kind_of(func.value, point), node.args[0]
    if kind is None or not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
        return None
    return name.value, kind


def _column_place(node: ast.expr, point: str) -> tuple[str, str] | None:
    """The column of `metric.fields["name"]`."""
    if not isinstance(node, ast.Subscript):
        return None
    kind, name = _kind_of(node.value, point), node.slice
    if kind is None or not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
        return None
    return name.value, kind


def _kind_of(node: ast.expr, point: str) -> str | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == point:
        return _KINDS.get(node.attr)
    return None


def _is_name_of(node: ast.expr, point: str) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == point
