"""The certificate for auditors as an HTML page that prints well and needs no other file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #8886; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #8883; }
th { font-weight: 600; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: .85em; overflow-wrap: anywhere; } .good { color: #17803d; } .bad { color: #b3261e; }
@media print {
  body { margin: 0; max-width: none; font-size: 10pt; } h2 { break-after: avoid; } tr { break-inside: avoid; }
}
"""


def page(document: Mapping[str, Any]) -> str:
    """Render the document of `certificate` as one HTML page."""
    span = " to ".join(document[each] or each for each in ("start", "end"))
    head = [
        ("Made", document["made_at"]),
        ("By", f"influx-lake {document['version']}"),
        ("Time", "all that closed" if span == "start to end" else span),
        ("Windows proved", f"{document['windows_proved']:,} of {document['windows']:,}"),
    ]
    body = "".join(_measurement(each) for each in document["measurements"])
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>What of the lake is proved</title><style>{_STYLE}</style></head><body>"
        "<h1>What of the lake is proved to be its source's</h1>"
        f"{_facts(head)}{body}{_EXPLANATION}</body></html>\n"
    )


_EXPLANATION = (
    "<h2>How to read it</h2><p>A range is proved where source and lake had exactly the same rows: every value, bit by "
    "bit, and every point, once. The digest is of the rows that the snapshot has for the range; it has no order, "
    "and can be made again by <code>influx-lake certify --check</code>, or by the algorithm that is named.</p>"
)


def _measurement(entry: Mapping[str, Any]) -> str:
    proved, windows = entry["windows_proved"], entry["windows"]
    kind = "good" if proved == windows else "bad"
    head = [
        ("Table", f"{entry['table']} ({entry['table_uuid'] or 'not made yet'})"),
        ("Source", entry["source"] or "none"),
        ("Snapshot that is read", entry["current_snapshot"] or "none"),
    ]
    said = f'<p class="{kind}">{proved:,} of {windows:,} windows are proved.</p>'
    lists = f"{_proved(entry)}{_unproved(entry)}{_offloaded(entry)}"
    return f"<h2>{escape(entry['measurement'])}</h2>{_facts(head)}{said}{lists}"


def _proved(entry: Mapping[str, Any]) -> str:
    if not entry["proved"]:
        return ""
    is_checked = any("check" in each for each in entry["proved"])
    names = ["Range", "Proved at", "Snapshot", "Rows", "Digest", "Algorithm, version"]
    rows = []
    for each in entry["proved"]:
        snapshot = each["snapshot_at"] or "expired"
        named = f", {', '.join(each['snapshot_names'])}" if each["snapshot_names"] else ""
        changed = "".join(
            f'<br><span class="bad">but not {escape(part["start"])} to {escape(part["end"])}: changed since</span>'
            for part in each["changed_since"]
        )
        cells = [
            f"<td>{escape(each['start'])}<br>to {escape(each['end'])}{changed}</td>",
            f"<td>{escape(each['proved_at'])}</td>",
            f"<td><code>{escape(each['snapshot'])}</code><br>{escape(snapshot + named)}</td>",
            f'<td class="number">{each["rows"]:,}</td>',
            f"<td><code>{escape(each['digest'])}</code></td>",
            f"<td>{escape(each['algorithm'])}, {escape(each['version'])}</td>",
        ]
        rows.append([*cells, *_checked(each)])
    return _table([*names, "Checked now"] if is_checked else names, rows)


def _unproved(entry: Mapping[str, Any]) -> str:
    if not entry["unproved"]:
        return ""
    rows = [
        [
            f"<td>{escape(each['start'])}<br>to {escape(each['end'])}</td>",
            f'<td class="number">{each["windows"]:,}</td>',
            f"<td>{'it was, and no longer is: ' if each['was_proved'] else ''}{escape(each['why'])}</td>",
        ]
        for each in entry["unproved"]
    ]
    return _table(["Not proved", "Windows", "Why"], rows)


def _checked(entry: Mapping[str, Any]) -> list[str]:
    """The table cell with the result of checking a range's digest, where it was checked."""
    if (check := entry.get("check")) is None:
        return []
    return [f'<td class="{"good" if check["holds"] else "bad"}">{escape(check["message"])}</td>']


def _offloaded(entry: Mapping[str, Any]) -> str:
    if not entry["offloaded"]:
        return ""
    names = ["Deleted at the source", "At", "Snapshot", "Rows", "Digest"]
    is_checked = any("check" in each for each in entry["offloaded"])
    rows = [
        [
            f"<td>{escape(each['start'])}<br>to {escape(each['end'])}</td>",
            f"<td>{escape(each['at'])}{'' if each['done'] else '<br>not known to have ended'}</td>",
            f"<td><code>{escape(each['snapshot'])}</code><br>{escape(each['tag'])}</td>",
            f'<td class="number">{each["rows"]:,}</td>',
            f"<td><code>{escape(each['digest'] or 'no longer kept')}</code></td>",
            *_checked(each),
        ]
        for each in entry["offloaded"]
    ]
    return _table([*names, "Checked now"] if is_checked else names, rows)


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    rows = (f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in facts)
    return f"<table>{''.join(rows)}</table>"


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
