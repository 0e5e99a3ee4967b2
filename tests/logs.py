"""Fixtures for what is logged in this process; interpreters can import this."""

import logging

import pytest


@pytest.fixture
def levels():
    """Levels of loggers of this process, for the time of a test."""
    before = {}

    def set_level(name, level):
        logger = logging.getLogger(name)
        before.setdefault(name, logger.level)
        logger.setLevel(level)

    yield set_level
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


class Kept(logging.Handler):
    """Keeps records."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture
def handler(levels):
    """On the root logger, which lets through what is INFO or above."""
    levels("", logging.INFO)
    kept = Kept()
    logging.getLogger().addHandler(kept)
    yield kept
    logging.getLogger().removeHandler(kept)


@pytest.fixture
def logged(handler):
    return handler.records
