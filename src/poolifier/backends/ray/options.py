"""`ray_options`: what they may be. Checked without Ray, which need not be there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from poolifier.option_checks import check_count, check_duration
from poolifier.suggestions import did_you_mean

__all__ = ["RayOptions"]

_OF_POOLS: Final = frozenset(
    {
        "concurrency_groups",
        "get_if_exists",
        "lifetime",
        "max_concurrency",
        "max_pending_calls",
        "max_restarts",
        "max_task_retries",
        "name",
        "num_returns",
    }
)
"""Options of Ray's actors that are not for users to choose, for the pool sees to it."""


@dataclass(frozen=True, slots=True)
class RayOptions:
    """Which cluster, and what each actor is to have.

    Attributes:
        address: As for `ray.init`, or None for what Ray finds, or else starts.
        namespace: As for `ray.init`, or None for one of its own.
        actor: Options of the actors.
    """

    address: str | None = None
    namespace: str | None = None
    actor: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def checked(cls, given: object) -> RayOptions:
        """Reads the argument.

        Raises:
            TypeError: It is no mapping, or an option has the wrong type.
            ValueError: There is no such option, or it has a wrong value.
        """
        if given is None:
            return cls()
        if not isinstance(given, Mapping):
            raise TypeError(f"ray_options must be a mapping or None, not {given!r}")
        for name, value in given.items():
            check = _CHECKS.get(name)
            if check is None:
                why = ": the pool itself sees to that" if name in _OF_POOLS else did_you_mean(name, _CHECKS)
                raise ValueError(f"ray_options has no option {name!r}{why}; it has {', '.join(sorted(_CHECKS))}")
            check(f"ray_options[{name!r}]", value)
        actor = {name: value for name, value in given.items() if name not in ("address", "namespace")}
        return cls(given.get("address"), given.get("namespace"), actor)


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {value!r}")
    if not value:
        raise ValueError(f"{name} must not be empty")


def _check_address(name: str, value: object) -> None:
    _check_text(name, value)
    if str(value).startswith("ray://"):
        raise ValueError(
            f"{name} must be 'auto', 'local' or the host:port of a cluster that this machine is part of, "
            f"not {value!r}: Ray Client has no part of the object store; submit the program as a Ray job"
        )


def _check_bytes(name: str, value: object) -> None:
    check_count(name, value, 0)


def _check_amount(name: str, value: object) -> None:
    check_duration(name, value)


def _check_amounts(name: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must map names of resources to amounts, not {value!r}")
    for resource, amount in value.items():
        _check_text(f"{name}: the name of a resource", resource)
        check_duration(f"{name}[{resource!r}]", amount)


def _check_labels(name: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must map labels to conditions, not {value!r}")
    for label, condition in value.items():
        _check_text(f"{name}: a label", label)
        _check_text(f"{name}[{label!r}]", condition)


def _check_mapping(name: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping, not {value!r}")


def _check_strategy(name: str, value: object) -> None:
    if isinstance(value, str):
        if value not in ("DEFAULT", "SPREAD"):
            raise ValueError(f"{name} must be 'DEFAULT', 'SPREAD' or one of Ray's strategies, not {value!r}")
    # Told by its module, for Ray is not imported before the pool starts.
    elif not type(value).__module__.startswith("ray."):
        raise TypeError(f"{name} must be 'DEFAULT', 'SPREAD' or one of Ray's strategies, not {value!r}")


_CHECKS: Final[Mapping[str, Callable[[str, object], None]]] = {
    "address": _check_address,
    "namespace": _check_text,
    "num_cpus": _check_amount,
    "num_gpus": _check_amount,
    "memory": _check_bytes,
    "resources": _check_amounts,
    "accelerator_type": _check_text,
    "label_selector": _check_labels,
    "runtime_env": _check_mapping,
    "scheduling_strategy": _check_strategy,
}
