//! Decides how a transcript is read from its files: see `main.rs` for their form.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use farebox_core::accounting::outcome::Outcome;
use farebox_core::base::headers::RequestHead;
use farebox_core::dialect::framing::Framing;
use farebox_core::dialect::framing::event_stream;
use farebox_core::dialect::{Endpoint, Served};
use farebox_core::response::meter::Meter;
use serde_json::{Map, Value};

/// One answer, and what it says.
#[derive(Clone, Debug)]
pub(crate) struct Transcript {
    /// `<dialect>/<case>`.
    pub(crate) name: String,
    /// The path that was asked.
    pub(crate) path: String,
    /// What is there.
    pub(crate) endpoint: Endpoint,
    /// The answer's headers.
    pub(crate) head: RequestHead,
    /// What the file has after the blank line.
    pub(crate) text: Vec<u8>,
    /// What went over the wire.
    pub(crate) body: Vec<u8>,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// What it says: see `billing::summary`.
    pub(crate) expected: Map<String, Value>,
    /// Events that a client which did not ask for usage does not see.
    pub(crate) hidden: usize,
    /// A later number is below an earlier one.
    pub(crate) falls: bool,
    /// Its file has one message of an event stream a line.
    pub(crate) framed: bool,
}

/// Every transcript, in the order of their names.
pub(crate) fn all() -> &'static [Transcript] {
    static ALL: OnceLock<Vec<Transcript>> = OnceLock::new();
    ALL.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
        let mut found = Vec::new();
        for dialect in names(&root, ".json") {
            let tables: Value =
                serde_json::from_slice(&fs::read(root.join(format!("{dialect}.json"))).unwrap()).unwrap();
            let mut tables = tables.as_object().unwrap().clone();
            for extension in [".http", ".frames"] {
                for case in names(&root.join(&dialect), extension) {
                    let table = tables.remove(&case).unwrap_or_else(|| panic!("{dialect}.json lacks {case}"));
                    let file = fs::read(root.join(&dialect).join(format!("{case}{extension}"))).unwrap();
                    found.push(Transcript::read(
                        format!("{dialect}/{case}"),
                        &file,
                        extension == ".frames",
                        table,
                    ));
                }
            }
            assert!(tables.is_empty(), "{dialect}.json has what no file has: {:?}", tables.keys());
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    })
}

fn names(directory: &Path, extension: &str) -> Vec<String> {
    let files =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    files.filter_map(|file| file.strip_suffix(extension).map(str::to_owned)).collect()
}

impl Transcript {
    fn read(name: String, file: &[u8], framed: bool, table: Value) -> Self {
        let blank = file.windows(2).position(|pair| pair == b"\n\n").unwrap();
        let headers = std::str::from_utf8(&file[..blank]).unwrap().lines().map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.into(), value.into())
        });
        let head = RequestHead::new(headers.collect());
        let refused = head.first(":status").is_some_and(|status| !status.starts_with(b"2"));
        let Value::Object(mut expected) = table else { panic!("{name}: no object") };
        let path = expected.remove("path").and_then(|path| path.as_str().map(str::to_owned)).unwrap();
        let mut transcript = Self {
            endpoint: Served::at(&path).unwrap_or_else(|| panic!("{name}: no endpoint")).endpoint,
            name,
            path,
            head,
            text: file[blank + 2..].to_vec(),
            body: Vec::new(),
            outcome: if refused { Outcome::Refused } else { Outcome::Answered },
            hidden: expected
                .remove("hidden")
                .map_or(0, |count| usize::try_from(count.as_u64().unwrap()).unwrap()),
            falls: expected.remove("falls").is_some(),
            expected,
            framed,
        };
        transcript.body = transcript.wire(&transcript.text);
        transcript
    }

    /// The same answer with another text in its file.
    pub(crate) fn with_text(&self, text: &[u8]) -> Self {
        Self { body: self.wire(text), text: text.to_vec(), ..self.clone() }
    }

    /// A meter for this answer, which has read its headers.
    pub(crate) fn meter(&self, hide: bool) -> Meter {
        let mut meter = Meter::new(self.endpoint, self.framing(), hide);
        meter.head(&self.head);
        meter
    }

    /// How it is framed, by its headers.
    pub(crate) fn framing(&self) -> Framing {
        Framing::of(self.endpoint, self.head.first("content-type"), self.head.first("content-encoding"))
    }

    /// What goes over the wire for `text`. Of a message, `!` before its name makes an exception of it and
    /// `~` damages its payload; the payloads of InvokeModel are in base64.
    fn wire(&self, text: &[u8]) -> Vec<u8> {
        if !self.framed {
            return text.to_vec();
        }
        let in_chunks = self.framing() == Framing::Chunks;
        let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines.flat_map(|line| frame(line, in_chunks)).collect()
    }
}

fn frame(line: &[u8], in_chunks: bool) -> Vec<u8> {
    let (damaged, line) = line.strip_prefix(b"~").map_or((false, line), |line| (true, line));
    let (exception, line) = line.strip_prefix(b"!").map_or((false, line), |line| (true, line));
    let space = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
    let (kind, payload) =
        (String::from_utf8_lossy(&line[..space]), line.get(space + 1..).unwrap_or_default());
    let (kind_header, message_type) =
        if exception { (":exception-type", "exception") } else { (":event-type", "event") };
    let payload = if in_chunks && !exception {
        format!("{{\"bytes\":\"{}\",\"p\":\"abcdef\"}}", STANDARD.encode(payload)).into_bytes()
    } else {
        payload.to_vec()
    };
    let headers =
        [(kind_header, &*kind), (":content-type", "application/json"), (":message-type", message_type)];
    let mut message = event_stream::message(&headers, &payload);
    if damaged {
        let at = message.len() - 8;
        message[at] ^= 0x20;
    }
    message
}
