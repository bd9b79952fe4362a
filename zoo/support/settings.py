"""Settings that are kept, and compared with those asked for."""

import json
from typing import Any


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What two configurations differ in, a line a key."""
    keys = sorted(old.keys() | new.keys())
    return [
        f"{key}: {json.dumps(old.get(key))} there, {json.dumps(new.get(key))} asked for"
        for key in keys
        if old.get(key) != new.get(key)
    ]
