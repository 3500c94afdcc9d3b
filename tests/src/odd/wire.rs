//! A caller on a raw connection that it keeps: it sends any bytes and reads one whole answer, or says why there is none.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for the end of an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// As in 200; zero if no answer came.
    pub status: u16,
    /// In order, names in lower case; trailers too.
    pub headers: Vec<(String, String)>,
    /// The body, of which the framing is undone.
    pub body: Vec<u8>,
    /// How it ended.
    pub end: End,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Whole,
    /// The other side hung up before the end.
    #[default]
    Broken,
    /// Nothing more came.
    Silent,
    /// The caller left, as it wanted to.
    Left,
}

impl Received {
    /// The values of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// A connection that is opened when it is needed.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    stream: Option<TcpStream>,
    unread: Vec<u8>,
}

impl Wire {
    /// A connection to this address.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, unread: Vec::new() }
    }

    /// Sends the bytes and reads the answer. `leave`: hangs up once so many bytes of the body are there.
    pub async fn ask(&mut self, bytes: &[u8], leave: Option<usize>) -> Received {
        let mut received = Received::default();
        let asked = tokio::time::timeout(PATIENCE, self.try_ask(bytes, leave, &mut received)).await;
        received.end = match asked {
            Err(_) => End::Silent,
            Ok(end) => end.unwrap_or(End::Broken),
        };
        let closes = received.header("connection").iter().any(|value| value.eq_ignore_ascii_case("close"));
        if received.end != End::Whole || closes {
            self.stream = None;
            self.unread.clear();
        }
        received
    }

    async fn try_ask(&mut self, bytes: &[u8], leave: Option<usize>, received: &mut Received) -> Option<End> {
        let kept = self.stream.is_some();
        if !kept {
            let stream = TcpStream::connect(self.address).await.ok()?;
            let _ = stream.set_nodelay(true);
            self.stream = Some(stream);
        }
        let sent = self.stream.as_mut()?.write_all(bytes).await;
        if sent.is_err() && kept {
            // The other side had closed a connection that it kept.
            self.stream = None;
            self.unread.clear();
            return Box::pin(self.try_ask(bytes, leave, received)).await;
        }
        // Who refuses a long body early closes while it is written; the answer may be there all the same.
        loop {
            let end = loop {
                if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                    break end + 4;
                }
                self.more().await?;
            };
            let head: Vec<u8> = self.unread.drain(..end).collect();
            let mut headers = [httparse::EMPTY_HEADER; 200];
            let mut parsed = httparse::Response::new(&mut headers);
            parsed.parse(&head).ok()?;
            let status = parsed.code?;
            if (100..200).contains(&status) {
                continue;
            }
            received.status = status;
            received.headers = parsed
                .headers
                .iter()
                .map(|header| {
                    let value = String::from_utf8_lossy(header.value).into_owned();
                    (header.name.to_ascii_lowercase(), value)
                })
                .collect();
            break;
        }
        self.body(leave, received).await
    }

    async fn body(&mut self, leave: Option<usize>, received: &mut Received) -> Option<End> {
        let left = |received: &Received| leave.is_some_and(|bytes| received.body.len() >= bytes);
        if received.header("transfer-encoding").contains(&"chunked") {
            loop {
                if left(received) {
                    return Some(End::Left);
                }
                let end = loop {
                    if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                        break end;
                    }
                    self.more().await?;
                };
                let line: Vec<u8> = self.unread.drain(..end + 2).collect();
                let line = String::from_utf8_lossy(&line);
                let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
                while self.unread.len() < size + 2 {
                    self.more().await?;
                }
                received.body.extend(self.unread.drain(..size));
                if size > 0 {
                    self.unread.drain(..2);
                    continue;
                }
                // Trailers, until an empty line.
                loop {
                    if self.unread.starts_with(b"\r\n") {
                        self.unread.drain(..2);
                        return Some(End::Whole);
                    }
                    match self.unread.windows(2).position(|two| two == b"\r\n") {
                        Some(end) => {
                            let line: Vec<u8> = self.unread.drain(..end + 2).collect();
                            let line = String::from_utf8_lossy(&line).into_owned();
                            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                            received.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                        }
                        None => self.more().await?,
                    }
                }
            }
        }
        let length = received.header("content-length").first().and_then(|text| text.parse::<usize>().ok());
        let length = if [204, 304].contains(&received.status) { Some(0) } else { length };
        loop {
            let wanted =
                length.map_or(self.unread.len(), |all| self.unread.len().min(all - received.body.len()));
            received.body.extend(self.unread.drain(..wanted));
            if length == Some(received.body.len()) {
                return Some(End::Whole);
            }
            if left(received) {
                return Some(End::Left);
            }
            if self.more().await.is_none() {
                return Some(if length.is_none() { End::Whole } else { End::Broken });
            }
        }
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.stream.as_mut()?.read_buf(&mut self.unread).await.ok()?;
        (read > 0).then_some(())
    }
}
