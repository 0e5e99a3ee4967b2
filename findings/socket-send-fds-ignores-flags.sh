#!/usr/bin/env bash
# socket.send_fds(sock, buffers, fds, flags, address) takes flags and an address, and ignores both.
#
# Version: CPython 3.11 to 3.15, Linux.
# Expected: with MSG_NOSIGNAL, a send to a socket whose other end is closed raises BrokenPipeError, as
#           sock.sendmsg(buffers, ancillary, MSG_NOSIGNAL) does, also where SIGPIPE has its default action.
# Seen: the process is ended by SIGPIPE (exit status 141 in a shell), because the flags do not reach sendmsg.
set -euo pipefail
python=${PYTHON:-python3}

"$python" --version
status=0
"$python" - <<'PYTHON' || status=$?
import signal
import socket

signal.signal(signal.SIGPIPE, signal.SIG_DFL)
ours, theirs = socket.socketpair()
theirs.close()
try:
    ours.sendmsg([b"x"], [], socket.MSG_NOSIGNAL)
except BrokenPipeError as error:
    print("sendmsg with MSG_NOSIGNAL:", error, flush=True)
try:
    socket.send_fds(ours, [b"x"], [0], socket.MSG_NOSIGNAL)
except BrokenPipeError as error:
    print("send_fds with MSG_NOSIGNAL:", error, flush=True)
PYTHON

if [ "$status" -eq 141 ]; then
    echo "send_fds with MSG_NOSIGNAL: ended by SIGPIPE"
else
    echo "changed: send_fds honours its flags (exit status $status)"
    exit 1
fi
