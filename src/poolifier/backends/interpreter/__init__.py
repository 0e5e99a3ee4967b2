"""Workers that are sub-interpreters of this process, each with a global interpreter lock of its own."""
