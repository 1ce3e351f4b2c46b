"""Where points go: databases that take line protocol, and folders of files."""
