"""Company documents as files."""

from pathlib import Path

import yaml

from orchestrator.model.errors import ConfigError, Problem


def read_document(path: Path) -> object:
    """A company document. Raises `ConfigError` naming file and line."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except OSError as error:
        raise ConfigError([Problem(str(path), error.strerror or str(error))]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), f"is no YAML: {' '.join(str(error).split())}")]) from error
