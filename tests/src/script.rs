//! Decides what the provider puts on the wire, to the byte: chunk boundaries, waits, endings.
//!
//! A reply is a list of steps. Order in time is dictated by [`Gate`]s that the test opens, not by
//! sleeping; [`Step::Pause`] exists only to keep two writes from arriving as one.

use serde_json::Value;
use std::time::Duration;
use tokio::sync::watch;

/// Long enough for the other side to read what was written as a piece of its own.
const APART: Duration = Duration::from_millis(4);

/// Closed until the test opens it.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A gate that lets nobody through yet.
    #[must_use]
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until the gate is open.
    pub async fn opened(&self) {
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// One thing the provider does on its connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Writes these bytes, as they are.
    Write(Vec<u8>),
    /// Waits for the test, or for the other side to hang up.
    Await(Gate),
    /// Waits a moment.
    Pause(Duration),
    /// Resets the connection (RST) and answers nothing more on it.
    Reset,
    /// Closes the connection properly (FIN) and answers nothing more on it.
    Close,
}

/// What the provider does about one request.
#[derive(Clone, Debug, Default)]
pub struct Reply(pub Vec<Step>);

impl Reply {
    /// Status line and headers, nothing after them.
    #[must_use]
    pub fn head(status: u16, headers: &[(&str, &str)]) -> Self {
        let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        Self(vec![Step::Write((head + "\r\n").into_bytes())])
    }

    /// A whole answer of known length.
    #[must_use]
    pub fn whole(status: u16, content_type: &str, body: &[u8]) -> Self {
        let length = body.len().to_string();
        Self::head(status, &[("content-type", content_type), ("content-length", &length)]).write(body)
    }

    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::whole(status, "application/json", body.to_string().as_bytes())
    }

    /// The head of a stream of server-sent events; [`chunk`](Self::chunk)s and an ending must follow.
    #[must_use]
    pub fn event_stream() -> Self {
        Self::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")])
    }

    /// A complete stream, every event a chunk.
    #[must_use]
    pub fn events(events: &[Vec<u8>]) -> Self {
        events.iter().fold(Self::event_stream(), |reply, event| reply.chunk(event)).end()
    }

    /// A complete stream of these bytes in pieces that arrive apart.
    #[must_use]
    pub fn pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        pieces
            .into_iter()
            .fold(Self::event_stream(), |reply, piece| reply.chunk(piece).then(Step::Pause(APART)))
            .end()
    }

    /// Adds bytes as they are.
    #[must_use]
    pub fn write(self, bytes: &[u8]) -> Self {
        self.then(Step::Write(bytes.to_vec()))
    }

    /// Adds one chunk of the chunked encoding; an empty one would end the body and is left out.
    #[must_use]
    pub fn chunk(self, bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return self;
        }
        let framed = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        self.then(Step::Write(framed))
    }

    /// Ends a chunked body.
    #[must_use]
    pub fn end(self) -> Self {
        self.write(b"0\r\n\r\n")
    }

    /// Adds a step.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    /// Waits for `gate` before everything else.
    #[must_use]
    pub fn after(mut self, gate: &Gate) -> Self {
        self.0.insert(0, Step::Await(gate.clone()));
        self
    }
}
