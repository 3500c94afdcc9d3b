#!/usr/bin/env bash
# What does a body of JSON say to Python, to Go, to Node, and to a pydantic model as servers write it?
#
# Guessed right: Python's json takes UTF-16 and NaN without being told; Go takes a member in any case, even with the letters ſ and K
#   (Kelvin) in it, and the first of several documents; of two members Python, Node and Go take the last.
# Guessed wrong: that pydantic takes for a whole number, beside numbers, strings of digits alone. It takes 5.0, 1e3, true, "5.0"
#   and " 5 " too; 5.5 it refuses.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install pydantic==2.14.3
cat > read.py <<'E'
import json
from pydantic import BaseModel, ValidationError

class Body(BaseModel):
    max_tokens: int | None = None

def pydantic(text):
    try:
        return Body.model_validate_json(text).max_tokens
    except ValidationError:
        return "refused"

print("python utf-16", json.loads('{"model":"a"}'.encode("utf-16-le")))
print("python twice", json.loads('{"model":"a","model":"b"}'))
print("python NaN", json.loads('{"max_tokens":NaN}'))
for value in ('"5"', "5.0", "5.5", "1e3", "true", "null", '"5.0"', '" 5 "'):
    print("pydantic", value, pydantic(f'{{"max_tokens":{value}}}'))
E
cat > read.go <<'E'
package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

type Body struct {
	Model     string `json:"model"`
	MaxTokens int    `json:"max_tokens"`
}

func main() {
	for _, text := range []string{`{"model":"a","MODEL":"b"}`, `{"MODEL":"b","model":"a"}`, `{"max_to` + "\u212a" + `en` + "\u017f" + `":7}`, `{"model":"a"}{"model":"b"}`} {
		var body Body
		err := json.NewDecoder(strings.NewReader(text)).Decode(&body)
		fmt.Println("go", text, body.Model, body.MaxTokens, err)
	}
}
E
venv/bin/python read.py | tee seen
node -e 'console.log("node twice", JSON.parse(`{"model":"a","model":"b"}`).model)' | tee -a seen
shows() { grep -qxF "$1" seen || { echo "no longer so: $1" >&2; exit 1; }; }
shows "python utf-16 {'model': 'a'}"
shows "python twice {'model': 'b'}"
shows 'pydantic "5" 5'
shows 'pydantic 5.0 5'
shows 'pydantic 5.5 refused'
shows 'pydantic 1e3 1000'
shows 'pydantic true 1'
shows 'pydantic "5.0" 5'
shows 'pydantic " 5 " 5'
shows 'node twice b'
if command -v go > /dev/null; then
  go run read.go | tee -a seen
  shows 'go {"model":"a","MODEL":"b"} b 0 <nil>'
  shows 'go {"MODEL":"b","model":"a"} a 0 <nil>'
  shows "go {\"max_to$(printf '\u212a')en$(printf '\u017f')\":7}  7 <nil>"
  shows 'go {"model":"a"}{"model":"b"} a 0 <nil>'
else
  echo "no Go here: its rows are not looked at" >&2
fi
echo "as it was found"
