"""Task functions for tests of pools, not of what they run: a module that costs each worker nothing to import."""

import os
import time


def echo(data):
    return data


def nap(seconds):
    time.sleep(seconds)
    return seconds


def where(seconds):
    nap(seconds)
    return os.getpid()
