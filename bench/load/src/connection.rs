//! Decides how a client talks to a system: one connection, one request at a time, kept alive.
//!
//! An answer is measured and thrown away, but for the end of its body: a stream without its last event is not
//! a success, whatever its status says.
//!
//! Does not decide when requests are sent: see `closed.rs` and `open.rs`.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::chunked::Chunked;

/// Bodies up to this many bytes are written together with their head, as clients do.
const TOGETHER: usize = 64 * 1024;
/// What ends a stream of events.
const DONE: &[u8] = b"data: [DONE]\n\n";
/// The longest that one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a system.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    sent: Vec<u8>,
}

/// A whole answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// When the first byte of its body was read.
    pub(crate) first: Instant,
    /// When its end was read.
    pub(crate) end: Instant,
    /// Bytes of its body.
    pub(crate) bytes: u64,
    /// Whether its body ends as a whole stream of events does.
    pub(crate) ends_as_stream: bool,
    /// Whether the connection can be used again.
    pub(crate) reusable: bool,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(64 * 1024), sent: Vec::new() })
    }

    /// Sends a request (`head` with its empty line) and reads the answer to its end.
    ///
    /// # Errors
    /// If the connection ends before, or what comes is no HTTP/1.1. It cannot be used again then.
    pub(crate) async fn call(&mut self, head: &[u8], body: &[u8]) -> io::Result<Answer> {
        tokio::time::timeout(PATIENCE, self.call_for_ever(head, body)).await?
    }

    async fn call_for_ever(&mut self, head: &[u8], body: &[u8]) -> io::Result<Answer> {
        let sent = if body.len() <= TOGETHER {
            self.sent.clear();
            self.sent.extend_from_slice(head);
            self.sent.extend_from_slice(body);
            self.stream.write_all(&self.sent).await
        } else {
            match self.stream.write_all(head).await {
                Ok(()) => self.stream.write_all(body).await,
                failed => failed,
            }
        };
        // Whoever refuses a body may answer before it has come: then the answer counts, not the broken pipe.
        match self.answer().await {
            Ok(answer) => Ok(Answer { reusable: answer.reusable && sent.is_ok(), ..answer }),
            Err(error) => Err(sent.err().unwrap_or(error)),
        }
    }

    /// Sends a request and waits for the first byte of its answer.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub(crate) async fn begin(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        self.stream.write_all(head).await?;
        self.stream.write_all(body).await?;
        self.received.clear();
        tokio::time::timeout(PATIENCE, self.read()).await?
    }

    /// Reads on until the connection ends, and throws away what comes.
    pub(crate) async fn listen(&mut self) {
        while self.read().await.is_ok() {
            self.received.clear();
        }
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        self.received.clear();
        let (status, mut framing, mut reusable, length) = loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut parsed = httparse::Response::new(&mut headers);
            match parsed.parse(&self.received) {
                Ok(httparse::Status::Complete(length)) => {
                    let (framing, reusable) = Framing::of(&parsed)?;
                    let status = parsed.code.unwrap_or_default();
                    if status / 100 == 1 {
                        self.received.drain(..length);
                        continue;
                    }
                    break (status, framing, reusable, length);
                }
                Ok(httparse::Status::Partial) => self.read().await?,
                Err(_) => return Err(io::ErrorKind::InvalidData.into()),
            }
        };
        self.received.drain(..length);
        let mut first = None;
        let mut ending = Ending::default();
        loop {
            if !self.received.is_empty() {
                first.get_or_insert_with(Instant::now);
            }
            if framing.feed(&self.received, &mut ending)? {
                break;
            }
            self.received.clear();
            match self.read().await {
                Ok(()) => {}
                Err(_) if framing == Framing::Close => {
                    reusable = false;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let end = Instant::now();
        let first = first.unwrap_or(end);
        Ok(Answer { status, first, end, bytes: ending.bytes, ends_as_stream: ending.is(DONE), reusable })
    }

    async fn read(&mut self) -> io::Result<()> {
        self.received.reserve(32 * 1024);
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length(u64),
    Chunks(Chunked),
    Close,
}

impl PartialEq for Framing {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl Framing {
    fn of(head: &httparse::Response<'_, '_>) -> io::Result<(Self, bool)> {
        let mut framing = Self::Close;
        let mut reusable = true;
        for header in head.headers.iter() {
            let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
            if header.name.eq_ignore_ascii_case("content-length") {
                framing = Self::Length(value.parse().map_err(|_| io::ErrorKind::InvalidData)?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Self::Chunks(Chunked::default());
            } else if header.name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
                reusable = false;
            }
        }
        Ok((framing, reusable))
    }

    /// Reads on; whether the body has ended.
    fn feed(&mut self, bytes: &[u8], ending: &mut Ending) -> io::Result<bool> {
        match self {
            Self::Length(left) => {
                ending.add(bytes);
                *left = left.saturating_sub(bytes.len() as u64);
                Ok(*left == 0)
            }
            Self::Chunks(chunked) => {
                chunked.feed(bytes, |data| ending.add(data)).map_err(|_| io::ErrorKind::InvalidData)?;
                Ok(chunked.done())
            }
            Self::Close => {
                ending.add(bytes);
                Ok(false)
            }
        }
    }
}

/// The last bytes of a body.
#[derive(Clone, Debug, Default)]
struct Ending {
    last: Vec<u8>,
    bytes: u64,
}

impl Ending {
    fn add(&mut self, data: &[u8]) {
        self.bytes += data.len() as u64;
        let from = data.len().saturating_sub(DONE.len());
        if from > 0 {
            self.last.clear();
        }
        self.last.extend_from_slice(data.get(from..).unwrap_or_default());
        let surplus = self.last.len().saturating_sub(DONE.len());
        self.last.drain(..surplus);
    }

    /// Whether the body ends like this, but for line ends.
    fn is(&self, end: &[u8]) -> bool {
        self.last.trim_ascii_end().ends_with(end.trim_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_stream_is_found_however_it_was_cut() {
        let text = b"data: {}\n\ndata: [DONE]\n\n";
        for at in 0..text.len() {
            let (left, right) = text.split_at(at);
            let mut ending = Ending::default();
            ending.add(left);
            ending.add(right);
            assert!(ending.is(DONE), "cut at {at}");
            assert_eq!(ending.bytes, text.len() as u64);
        }
        let mut ending = Ending::default();
        ending.add(b"data: [DONE]\n\ndata: {}\n\n");
        assert!(!ending.is(DONE));
    }

    #[tokio::test]
    async fn answers_are_read_to_their_end_in_every_framing() {
        for (answer, bytes, reusable) in [
            ("HTTP/1.1 429 No\r\ncontent-length: 5\r\n\r\nhello", 5, true),
            ("HTTP/1.1 429 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 3, true),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 No\r\ncontent-length: 0\r\n\r\n", 0, true),
            ("HTTP/1.1 429 No\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx", 1, false),
            ("HTTP/1.1 429 No\r\n\r\nuntil the end", 13, false),
        ] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 5];
                stream.read_exact(&mut request).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            });
            let mut connection = Connection::open(address).await.unwrap();
            let read = connection.call(b"head", b"!").await.unwrap();
            server.await.unwrap();
            assert_eq!((read.status, read.bytes, read.reusable), (429, bytes, reusable), "{answer}");
        }
    }
}
