"""Ray is not there for every Python; where it is, all tests share a cluster."""

from importlib.util import find_spec

import pytest

if find_spec("ray") is None:
    collect_ignore_glob = ["test_[!o]*.py"]


@pytest.fixture
def ray(ray_cluster):
    """Ray, connected to the cluster that all tests share."""
    return ray_cluster
