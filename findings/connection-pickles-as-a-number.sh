#!/usr/bin/env bash
# CPython 3.11 to 3.15: pickle takes a multiprocessing connection as it would any object, with the number of its descriptor.
#
# Expected: pickle.dumps(connection) raises, as it does for a socket, or for a lock ("should only be shared between
#     processes through inheritance"): only the pickler of multiprocessing passes the descriptor itself.
# Seen: it succeeds. In the process that reads the pickle the connection uses whatever has that number there: here what
#     is "sent" through it ends up in a file that the reader has open.
#
# Exits with 0 while that is so.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > program.py <<'PYTHON'
import multiprocessing
import pickle
import socket
import subprocess
import sys

READER = """
import os, pickle, sys
# A file of the reader's own, which has the number that the connection has in the program.
os.dup2(os.open("file", os.O_RDWR | os.O_CREAT), int(sys.argv[1]))
pickle.loads(sys.stdin.buffer.read()).send_bytes(b"not meant for the file")
"""

print("Python", sys.version.split()[0])
try:
    pickle.dumps(socket.socketpair()[0])
except TypeError as error:
    print("a socket:", error)
ours, theirs = multiprocessing.Pipe()
pickled = pickle.dumps(theirs)
print("a connection: pickled in", len(pickled), "bytes")
reader = [sys.executable, "-c", READER, str(theirs.fileno())]
subprocess.run(reader, input=pickled, check=True)
with open("file", "rb") as file:
    found = file.read()
print("the other end has something to receive:", ours.poll(0.5))
print("the reader's file holds:", found)
sys.exit(0 if b"not meant for the file" in found and not ours.poll(0) else 1)
PYTHON

"${PYTHON:-python3}" program.py
