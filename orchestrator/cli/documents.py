"""Company documents as files."""

from pathlib import Path

import yaml

from orchestrator.configuration.loader import Loader
from orchestrator.model.errors import ConfigError, Problem


def read_document(path: Path) -> object:
    """A company document. Raises `ConfigError` naming file and line."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)
    except OSError as error:
        raise ConfigError([Problem(str(path), error.strerror or str(error))]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), f"is no UTF-8: byte {error.start} cannot be read")]) from error
    except yaml.YAMLError as error:
        raise ConfigError([Problem(f"{path}{_line(error)}", f"is no YAML: {_what(error)}")]) from error


def _line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f":{mark.line + 1}:{mark.column + 1}"


def _what(error: yaml.YAMLError) -> str:
    return getattr(error, "problem", None) or " ".join(str(error).split())
