"""How far the streams are that fill tables: kept in the tables, in the commits of the rows."""
