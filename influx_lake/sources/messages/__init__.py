"""Points that come as messages of a topic: taken apart like files, each message by itself."""
