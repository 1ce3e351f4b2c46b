"""Data files of parts of a window, written by any processes and described so that one process can commit them all."""
