"""Reads dashboards with Grafana's own types and says where they do not fit.

    PYTHONPATH=FOLDER_OF_THE_PACKAGE python3 grafana_types.py overview.json tag.json

The package is grafana-foundation-sdk, generated from Grafana's schema for one version of it. Its readers
drop what they do not know and check no values, so two things are looked at: everything in the file comes
out again, and each value has the type that the schema names.
"""

import enum
import json
import sys
import types
import typing

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel, RowPanel


def encoded(value: object) -> object:
    """As it would be written to a file."""
    return json.loads(json.dumps(value, cls=JSONEncoder))


def lost(path: str, before: object, after: object) -> typing.Iterator[str]:
    """What of `before` is not in `after`."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if value is None:
                continue
            if key not in after:
                yield f"{path}.{key}: unknown to Grafana"
            else:
                yield from lost(f"{path}.{key}", value, after[key])
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after)):
            yield from lost(f"{path}[{index}]", one, other)
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"


def fits(value: object, hint: object) -> bool:
    """Whether `value` is of the type `hint`; the fields of objects are looked at on their own."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (typing.Any, object) or isinstance(hint, typing.TypeVar):
        return True
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments)
    if origin is typing.Literal:
        return any(value == argument and type(value) is type(argument) for argument in arguments)
    if origin is list:
        return isinstance(value, list) and all(fits(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(item, arguments[1]) for item in value.values())
    if not isinstance(hint, type):
        return True
    if issubclass(hint, enum.Enum):
        return value in [member.value for member in hint]
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, dict) and hasattr(hint, "from_json"):
        # A part that the package hands on as it stands.
        return not list(lost("", value, encoded(hint.from_json(value))))
    return isinstance(value, hint)


def misfits(path: str, value: object) -> typing.Iterator[str]:
    """The fields of objects of the package, wherever they are, whose values have another type."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from misfits(f"{path}[{index}]", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from misfits(f"{path}.{key}", item)
    elif type(value).__module__.startswith("grafana_foundation_sdk.models") and not isinstance(value, enum.Enum):
        hints = typing.get_type_hints(type(value))
        for name, item in vars(value).items():
            if name in hints and not fits(item, hints[name]):
                yield f"{path}.{name}: {item!r} is no {hints[name]}"
            yield from misfits(f"{path}.{name}", item)


def main() -> int:
    register_default_plugins()
    failed = False
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as file:
            before = json.load(file)
        dashboard = Dashboard.from_json(before)
        unread = [panel for panel in dashboard.panels if not isinstance(panel, (Panel, RowPanel))]
        found = list(lost(name, before, encoded(dashboard))) + list(misfits(name, dashboard))
        found += [f"{name}: not read as a panel: {panel!r}" for panel in unread]
        for line in found:
            print(line)
        failed |= bool(found)
        print(f"{name}: {len(dashboard.panels)} panels read")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
