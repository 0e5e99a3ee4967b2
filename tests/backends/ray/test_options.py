"""`ray_options`, and what happens without Ray. Needs no Ray."""

import re

import pytest

from poolifier import DynamicRayPool, FixedProcessPool, FixedRayPool, UnsupportedError
from poolifier.backends.ray import backend

KNOWN = (
    "accelerator_type, address, label_selector, memory, namespace, num_cpus, num_gpus, resources, runtime_env, "
    "scheduling_strategy"
)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (3, TypeError, "ray_options must be a mapping or None, not 3"),
        ({"cpus": 1}, ValueError, f"ray_options has no option 'cpus' (did you mean 'num_cpus'?); it has {KNOWN}"),
        ({"colour": 1}, ValueError, f"ray_options has no option 'colour'; it has {KNOWN}"),
        ({3: 1}, ValueError, "ray_options has no option 3; it has"),
        ({"max_restarts": 1}, ValueError, "no option 'max_restarts': the pool itself sees to that; it has"),
        ({"address": 1}, TypeError, "ray_options['address'] must be a string, not 1"),
        ({"address": ""}, ValueError, "ray_options['address'] must not be empty"),
        ({"address": "ray://head:10001"}, ValueError, "not 'ray://head:10001': Ray Client has no part"),
        ({"namespace": b"x"}, TypeError, "ray_options['namespace'] must be a string"),
        ({"num_cpus": "1"}, TypeError, "ray_options['num_cpus']"),
        ({"num_cpus": True}, TypeError, "ray_options['num_cpus']"),
        ({"num_gpus": -0.5}, ValueError, "ray_options['num_gpus'] must not be negative, got -0.5"),
        ({"memory": 1.5}, TypeError, "ray_options['memory'] must be an integer"),
        ({"resources": ["a"]}, TypeError, "ray_options['resources'] must map names of resources to amounts"),
        ({"resources": {"a": "1"}}, TypeError, "ray_options['resources']['a']"),
        ({"label_selector": "a"}, TypeError, "ray_options['label_selector'] must map labels to conditions"),
        ({"accelerator_type": None}, TypeError, "ray_options['accelerator_type'] must be a string"),
        ({"runtime_env": "env"}, TypeError, "ray_options['runtime_env'] must be a mapping"),
        ({"scheduling_strategy": "RANDOM"}, ValueError, "must be 'DEFAULT', 'SPREAD' or one of Ray's strategies"),
        ({"scheduling_strategy": 3}, TypeError, "must be 'DEFAULT', 'SPREAD' or one of Ray's strategies, not 3"),
    ],
    ids=str,
)
def test_wrong_options(options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        FixedRayPool(2, len, ray_options=options)


def test_right_options():
    options = {
        "address": "auto",
        "namespace": "work",
        "num_cpus": 1,
        "num_gpus": 0.5,
        "memory": 1 << 30,
        "resources": {"disk": 1},
        "accelerator_type": "A100",
        "label_selector": {"zone": "in(a, b)"},
        "runtime_env": {"pip": ["numpy"]},
        "scheduling_strategy": "SPREAD",
    }
    FixedRayPool(64, "package.workers", ray_options=options)
    DynamicRayPool(0, 8, len, ray_options=None)


@pytest.mark.parametrize("option", ["env", "nice", "cpu_affinity", "start_method", "preload"])
def test_options_of_others(option):
    with pytest.raises(TypeError, match=f"FixedRayPool has no option {option!r}: it is one of process pools"):
        FixedRayPool(1, len, **{option: None})
    with pytest.raises(TypeError, match="it is one of Ray pools"):
        FixedProcessPool(1, len, ray_options={})


def test_without_ray_it_says_what_to_install(run, monkeypatch):
    monkeypatch.setattr(backend, "find_spec", lambda _: None)

    async def main():
        with pytest.raises(UnsupportedError, match=re.escape("pip install 'poolifier[ray]'")):
            await FixedRayPool(1, len).start()

    run(main())
