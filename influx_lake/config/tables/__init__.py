"""Options of tables: columns, layout, sort order, properties, write modes."""
