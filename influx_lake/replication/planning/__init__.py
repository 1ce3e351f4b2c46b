"""Plans windows: those of a range, loaded ones, and due ones."""
