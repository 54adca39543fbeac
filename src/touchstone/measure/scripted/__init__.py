"""A reference LLM server whose true timing is known: it follows a script and logs when it really sent every event.

It calibrates the load client in every run and proves every definition in the tests. ``touchstone serve --scripted`` starts one;
:class:`ScriptedServer` starts one from Python.
"""

from __future__ import annotations

from touchstone.measure.scripted.log import Entry
from touchstone.measure.scripted.running import Address, ScriptedServer, serve_forever
from touchstone.measure.scripted.script import FAULTS, Script, parse_script, read_script

__all__ = ["FAULTS", "Address", "Entry", "Script", "ScriptedServer", "parse_script", "read_script", "serve_forever"]
