"""Loads the scenarios of scenarios/*.json: checks their spelling and fills in `each`.

A scenario is called FILE/NAME. Where it has a list or table `each`, it stands for several, called FILE/NAME[KEY], with
the entry in the place of every "$each", and a part of it in the place of "$each.PART". A key that nobody knows is an error, so that no expectation is lost to a typo.
"""

import json
import pathlib

FOLDER = pathlib.Path(__file__).parent / "scenarios"
KEYS = {"name", "shows", "needs", "first_id", "order", "options", "servers", "steps", "each"}
SERVER_KEYS = {"script", "otherwise", "tags", "max_count", "down", "path", "first_id"}
OPTION_KEYS = {"token", "range_duration_ms", "max_range", "deadline_ms", "manual_clock", "servers"}
ACTIONS = {
    "serve", "serve_and_close", "serve_other_format", "serve_cached", "hold", "hang", "close", "repeat", "overlap",
    "refuse", "raw", "cut", "endless",
}  # fmt: skip
STEPS = {
    "open": {"client", "options"},
    "next": {"client", "tag", "times", "as", "expect"},
    "next_many": {"client", "tag", "n", "as", "expect"},
    "threads": {"client", "tag", "threads", "times", "expect"},
    "elsewhere": {"client", "tag", "how", "times"},
    "close": {"client"},
    "clock": {"client", "advance_ms"},
    "finish": {"of", "expect"},
    "await": {"requests", "answered", "server", "tag"},
    "release": {"gate"},
    "server": {"server", "mode"},
    "loop": {"times", "steps"},
    "check": {"requests", "server", "tag", "counts", "from", "to", "sent", "connections", "pause_ms"},
}
EXPECT_KEYS = {"error", "says", "after_ms", "ids", "either"}


def load():
    """All scenarios, by name, in the order of the files."""
    found = {}
    for file in sorted(FOLDER.glob("*.json")):
        for entry in json.loads(file.read_text(encoding="utf-8")):
            for scenario in expanded(entry):
                scenario["name"] = f"{file.stem}/{scenario['name']}"
                check(scenario)
                assert scenario["name"] not in found, f"{scenario['name']} is there twice"
                found[scenario["name"]] = scenario
    return found


def find(name):
    scenarios = load()
    if name not in scenarios:
        raise SystemExit(f"there is no scenario {name}; `run.py --list` lists them")
    return scenarios[name]


def expanded(entry):
    each = entry.pop("each", None)
    if each is None:
        return [entry]
    pairs = each.items() if isinstance(each, dict) else [(value, value) for value in each]
    return [dict(replaced(entry, value), name=f"{entry['name']}[{key}]") for key, value in pairs]


def replaced(node, value):
    if node == "$each":
        return value
    if isinstance(node, str) and node.startswith("$each."):
        return value[node.removeprefix("$each.")]
    if isinstance(node, dict):
        return {key: replaced(inner, value) for key, inner in node.items()}
    if isinstance(node, list):
        return [replaced(inner, value) for inner in node]
    return node


def check(scenario):
    where = scenario["name"]
    known(where, scenario, KEYS)
    known(where, scenario.get("options", {}), OPTION_KEYS)
    # An attempt has a quarter of it, in which a busy machine must get an answer through.
    if scenario.get("options", {}).get("deadline_ms", 4000) < 4000 and not all("down" in server for server in scenario["servers"]):
        raise SystemExit(f"{where}: a deadline below 4 s depends on how busy the machine is, unless all servers are down")
    for server in scenario["servers"]:
        known(where, server, SERVER_KEYS)
        for script in [server, *server.get("tags", {}).values()]:
            for action in [*script.get("script", []), script.get("otherwise", "serve")]:
                known_action(where, action)
    check_steps(where, scenario["steps"])


def check_steps(where, steps):
    for step in steps:
        if step.get("do") not in STEPS:
            raise SystemExit(f"{where}: no such step: {step}")
        known(where, step, STEPS[step["do"]] | {"do"})
        known(where, step.get("expect", {}), EXPECT_KEYS)
        known(where, step.get("options", {}), OPTION_KEYS)
        if step["do"] == "loop":
            check_steps(where, step["steps"])
        if step["do"] == "server" and step["mode"] not in ("up", "down", "script"):
            known_action(where, step["mode"])


def known_action(where, action):
    name = action if isinstance(action, str) else next(iter(action))
    if name not in ACTIONS:
        raise SystemExit(f"{where}: no such action: {action}")


def known(where, table, keys):
    if unknown := set(table) - keys:
        raise SystemExit(f"{where}: unknown: {', '.join(sorted(unknown))}; known here: {', '.join(sorted(keys))}")
