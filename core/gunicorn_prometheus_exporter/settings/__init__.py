"""Settings: one definition each, read once from the environment and YAML, immutable afterwards."""

from .definition import Settings
from .errors import SettingsError
from .reading import load_yaml_config, read_settings, settings_from

__all__ = ["Settings", "SettingsError", "load_yaml_config", "read_settings", "settings_from"]
