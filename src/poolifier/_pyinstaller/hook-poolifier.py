"""What PyInstaller does not see: modules that are imported by a name made at run time, and what mypyc shares."""

from importlib.metadata import PackageNotFoundError, files

from PyInstaller.utils.hooks import collect_submodules


def _wanted(name: str) -> bool:
    # Ray is large, and its pools need Python on all machines of a cluster, which no frozen program brings.
    return not name.startswith(("poolifier.backends.ray", "poolifier.pool.kinds.ray", "poolifier._pyinstaller"))


def _shared_by_mypyc() -> list[str]:
    """The module that the compiled ones are parts of; it stands beside the package, under a name made by the build."""
    try:
        installed = files("poolifier") or []
    except PackageNotFoundError:
        installed = []
    return sorted(
        {".".join((*path.parts[:-1], path.name.partition(".")[0])) for path in installed if "__mypyc." in path.name}
    )


hiddenimports = [*collect_submodules("poolifier", filter=_wanted), "multiprocessing.spawn", *_shared_by_mypyc()]
excludedimports = ["ray"]
