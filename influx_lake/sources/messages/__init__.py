"""Points from messages of a topic: parsed like files, each message by itself."""
