"""Runs inside a check's sandbox, in every Python that is started there: notes which lines of some files are run.

Found by PYTHONPATH, so that the repository's command stays as it is. Must work with any Python 3.6 or newer, must print
nothing, and must leave a program that it can't watch alone. Each line is noted once, at once, so that nothing is lost
where a process is ended.
"""

import os
import sys

_ROOT = "/work"
_RECORD = _ROOT + "/.journeyman-probe"


def _watch():
    files = {os.path.join(_ROOT, name) for name in os.environ["JOURNEYMAN_PROBE"].split("\n") if name}
    os.makedirs(_RECORD, exist_ok=True)
    record = os.open("%s/%d-%s" % (_RECORD, os.getpid(), os.urandom(4).hex()), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    known = {}
    seen = set()

    def watched(code):
        name = code.co_filename
        if name not in known:
            path = os.path.realpath(name)
            known[name] = os.path.relpath(path, _ROOT) if path in files else None
        return known[name]

    def note(path, line):
        if (path, line) not in seen:
            seen.add((path, line))
            os.write(record, ("%d %s\n" % (line, path)).encode("utf-8", "surrogateescape"))

    if hasattr(sys, "monitoring"):
        _by_monitoring(watched, note)
    else:
        _by_tracing(watched, note, record)
    os.write(record, b"watching\n")


def _by_monitoring(watched, note):
    monitoring = sys.monitoring
    tool, events = 4, monitoring.events

    def started(code, _):
        if watched(code) is not None:
            monitoring.set_local_events(tool, code, events.LINE)
        return monitoring.DISABLE

    def line(code, number):
        note(watched(code), number)
        return monitoring.DISABLE

    monitoring.use_tool_id(tool, "journeyman")
    monitoring.register_callback(tool, events.PY_START, started)
    monitoring.register_callback(tool, events.LINE, line)
    monitoring.set_events(tool, events.PY_START)


def _by_tracing(watched, note, record):
    import atexit
    import threading

    def entered(frame, event, _):
        path = watched(frame.f_code)
        if path is None:
            return None

        def inside(frame, event, _):
            if event == "line":
                note(path, frame.f_lineno)
            return inside

        return inside

    def ended():
        # Somebody else's took its place, so that what ran since then is not known.
        if sys.gettrace() is not entered:
            os.write(record, b"replaced\n")

    sys.settrace(entered)
    threading.settrace(entered)
    atexit.register(ended)


def _next_one():
    """Another sitecustomize, whose place this one has taken."""
    import importlib.machinery
    import importlib.util

    here = os.path.dirname(os.path.abspath(__file__))
    rest = [path for path in sys.path if os.path.abspath(path or os.curdir) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if os.environ.get("JOURNEYMAN_PROBE"):
    try:
        _watch()
    except Exception:
        pass
_next_one()
