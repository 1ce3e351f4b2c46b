"""Options of table maintenance: kinds, schedules, query engines."""
