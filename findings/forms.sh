#!/usr/bin/env bash
# Which field is a part of a form, and what does it say? Six parsers, the same bytes.
#
# Guessed right: all take unquoted names; Werkzeug reads `name*=` and busboy does not; Werkzeug and busboy leave a transfer
#   encoding alone, which RFC 7578 says not to use.
# Guessed wrong: python-multipart does not read `name*=`; of two names busboy takes the first and Werkzeug the last;
#   Werkzeug undoes a backslash and python-multipart does not.
# Not guessed at all: python-multipart undoes base64 and quoted-printable. Django undoes base64, and reads a part
#   that follows the last boundary. Go prefers `name*=` to `name=`, and drops a part that has two names.
# Therefore: a form of which a part that matters is written in any of these ways cannot be passed on under one reading.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install python-multipart==0.0.34 Werkzeug==3.1.9 Django==5.2.19
npm --silent init -y > /dev/null; npm --silent install busboy@1.6.0

cat > forms.json <<'E'
{"unquoted": "form-data; name=model\r\n\r\nbig",
 "extended": "form-data; name*=utf-8''mod%65l\r\n\r\nbig",
 "both": "form-data; name=\"x\"; name*=utf-8''model\r\n\r\nbig",
 "escape": "form-data; name=\"mo\\del\"\r\n\r\nbig",
 "twice": "form-data; name=\"x\"; name=\"model\"\r\n\r\nbig",
 "base64": "form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64\r\n\r\nYmln",
 "quoted": "form-data; name=\"model\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nb=69g",
 "after": "form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nbig"}
E
cat > read.py <<'E'
import email, email.policy, io, json
import django
from django.conf import settings
from python_multipart import FormParser
from werkzeug.formparser import parse_form_data

settings.configure()
django.setup()
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http.multipartparser import MultiPartParser

TYPE = "multipart/form-data; boundary=b"

def python_multipart(body):
    found = []
    parser = FormParser("multipart/form-data", lambda field: found.append([field.field_name.decode(), (field.value or b"").decode()]), None, boundary=b"b")
    parser.write(body)
    parser.finalize()
    return found

def werkzeug(body):
    _, form, _ = parse_form_data({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": TYPE, "REQUEST_METHOD": "POST"})
    return [list(item) for item in form.items(multi=True)]

def django_(body):
    meta = {"CONTENT_TYPE": TYPE, "CONTENT_LENGTH": str(len(body))}
    fields, _ = MultiPartParser(meta, io.BytesIO(body), [MemoryFileUploadHandler()]).parse()
    return [[name, value] for name, values in fields.lists() for value in values]

def email_(body):
    message = email.message_from_bytes(b"Content-Type: " + TYPE.encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP)
    return [[part.get_param("name", header="content-disposition"), part.get_payload(decode=True).decode()] for part in message.iter_parts()]

for name, part in json.load(open("forms.json")).items():
    body = f"--b\r\nContent-Disposition: {part}\r\n--b--\r\n".encode()
    for reader in (python_multipart, werkzeug, django_, email_):
        try:
            found = reader(body)
        except Exception as error:
            found = "refused"
        print(name, reader.__name__.strip("_"), json.dumps(found))
E
cat > read.js <<'E'
const busboy = require("busboy");
(async () => {
  for (const [name, part] of Object.entries(require("./forms.json"))) {
    await new Promise((done) => {
      const found = [];
      const reader = busboy({ headers: { "content-type": "multipart/form-data; boundary=b" } });
      reader.on("field", (field, value) => found.push([field ?? null, value]));
      reader.on("close", () => { console.log(name, "busboy", JSON.stringify(found)); done(); });
      reader.end(Buffer.from(`--b\r\nContent-Disposition: ${part}\r\n--b--\r\n`));
    });
  }
})();
E
cat > read.go <<'E'
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
)

func main() {
	parts := map[string]string{}
	text, _ := os.ReadFile("forms.json")
	json.Unmarshal(text, &parts)
	for name, part := range parts {
		request, _ := http.NewRequest("POST", "/", strings.NewReader("--b\r\nContent-Disposition: "+part+"\r\n--b--\r\n"))
		request.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		if request.ParseMultipartForm(1<<20) != nil {
			fmt.Println(name, "go", "refused")
			continue
		}
		found := [][]string{}
		for field, values := range request.MultipartForm.Value {
			found = append(found, []string{field, values[0]})
		}
		text, _ := json.Marshal(found)
		fmt.Println(name, "go", string(text))
	}
}
E
{ venv/bin/python read.py 2> /dev/null; node read.js; } | sed 's/, /,/g' > seen
if command -v go > /dev/null; then go run read.go >> seen; else echo "no Go here: its rows are not looked at" >&2; fi
sort seen | tee sorted
shows() { grep -qxF "$1" sorted || { [ "${1#* go }" != "$1" ] && ! command -v go > /dev/null; } || { echo "no longer so: $1" >&2; exit 1; }; }
shows 'extended python_multipart "refused"'
shows 'extended werkzeug [["model","big"]]'
shows 'extended django [["model","big"]]'
shows 'extended busboy [[null,"big"]]'
shows 'extended go [["model","big"]]'
shows 'both python_multipart [["x","big"]]'
shows 'both go [["model","big"]]'
shows 'escape werkzeug [["model","big"]]'
shows 'escape busboy [["mo\\del","big"]]'
shows 'twice busboy [["x","big"]]'
shows 'twice werkzeug [["model","big"]]'
shows 'twice go []'
shows 'base64 python_multipart [["model","big"]]'
shows 'base64 django [["model","big"]]'
shows 'base64 werkzeug [["model","Ymln"]]'
shows 'base64 go [["model","Ymln"]]'
shows 'quoted python_multipart [["model","big"]]'
shows 'quoted django [["model","b=69g"]]'
shows 'after django [["a","1"],["model","big"]]'
shows 'after werkzeug [["a","1"]]'
echo "as it was found"
