"""Commands on the life cycle of rows: certify, offload, restore, erase."""
