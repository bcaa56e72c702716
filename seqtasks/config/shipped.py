"""The configurations that come with the package, found by their names."""

from pathlib import Path

from seqtasks.errors import ConfigError, did_you_mean

# In a wheel they lie inside the package; in a clone, and in an editable install, beside it.
_PACKAGE = Path(__file__).parents[1]
_PLACES = (_PACKAGE / "configs", _PACKAGE.parent / "configs")


def shipped_configs() -> dict[str, Path]:
    """The path of each shipped configuration by its name, in the order of the names.

    >>> list(shipped_configs())[:2]
    ['captioning-gru', 'documents-bilstm']
    """
    folder = next((place for place in _PLACES if place.is_dir()), _PLACES[0])
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_config(name: Path) -> Path:
    """Find a configuration by its path, or by its name where it is a shipped one.

    A file goes before a shipped configuration of the same name.

    Args:
        name: a path; or the name of a shipped configuration, with or without `.yaml`.

    Raises:
        ConfigError: where there is neither, with the nearest name.

    >>> find_config(Path("recall-lstm")).name
    'recall-lstm.yaml'
    """
    shipped = shipped_configs()
    try:
        if name.is_file():
            return name
        found = shipped.get(str(name).removesuffix(".yaml"))
        if found is None and not name.exists():
            known = (
                f"; shipped with seqtasks: {', '.join(shipped)}" if name.parent == Path() else ""
            )
            raise ConfigError(
                f"{name}: can't read the configuration: No such file or directory"
                f"{did_you_mean(name.stem, shipped)}{known}"
            )
    except OSError:  # such as a name that is too long, which reading it will say
        return name
    return found or name
