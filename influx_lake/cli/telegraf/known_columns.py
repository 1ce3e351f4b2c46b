"""The columns of Telegraf's system inputs (cpu, mem, disk, ...), from their documentation."""

from __future__ import annotations

_CPU = "user system idle active nice iowait irq softirq steal guest guest_nice"
_COLUMNS = {
    "mem": """
        active available available_percent buffered cached commit_limit committed_as dirty free high_free high_total
        huge_pages_free huge_page_size huge_pages_total inactive low_free low_total mapped page_tables shared slab
        sreclaimable sunreclaim swap_cached swap_free swap_total total used used_percent vmalloc_chunk vmalloc_total
        vmalloc_used write_back write_back_tmp
    """,
    "swap": "free total used used_percent in out",
    "disk": """
        fstype device path mode label free total used used_percent inodes_free inodes_total inodes_used
        inodes_used_percent
    """,
    "diskio": """
        name serial reads writes read_bytes write_bytes read_time write_time io_time weighted_io_time iops_in_progress
        merged_reads merged_writes io_util io_await io_svctm
    """,
    "processes": "blocked running sleeping stopped total zombie dead wait idle paging parked total_threads",
    "temp": "sensor temp",
}


def known_columns(plugin: str) -> frozenset[str] | None:
    """The columns of an input's measurement on Linux; None where they are not listed."""
    if plugin == "cpu":
        return frozenset({"cpu", *(f"{prefix}_{name}" for prefix in ("usage", "time") for name in _CPU.split())})
    return frozenset(_COLUMNS[plugin].split()) if plugin in _COLUMNS else None
