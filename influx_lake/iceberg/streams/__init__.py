"""How far streams are in the tables that they fill: recorded in the tables, in the commits of the rows."""
