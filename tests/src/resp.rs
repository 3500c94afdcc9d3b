//! What a test and a Valkey say to each other: the few lines of RESP that are needed for it, made anew each time so that
//! the filter's own reader is not tested with itself.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resp {
    /// `+OK`
    Simple(String),
    /// `-ERR …`
    Error(String),
    /// `:1`
    Integer(i64),
    /// A text of any bytes, which are shown as well as they can be; `None`: nothing.
    Bulk(Option<String>),
    /// Several.
    Array(Vec<Resp>),
}

impl Resp {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Bulk(Some(text.to_owned()))
    }

    /// What an error says.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn error(&self) -> &str {
        match self {
            Self::Error(error) => error,
            other => panic!("no error: {other:?}"),
        }
    }
}

/// A command as it is sent.
#[must_use]
pub fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len());
    for word in words {
        bytes += &format!("${}\r\n{word}\r\n", word.len());
    }
    bytes.into_bytes()
}

/// The answers that `bytes` have in whole, and how many bytes are left over.
#[must_use]
pub fn answers(bytes: &[u8]) -> (Vec<Resp>, usize) {
    let (mut at, mut all) = (0, Vec::new());
    while let Some((answer, end)) = read(bytes, at) {
        all.push(answer);
        at = end;
    }
    (all, bytes.len() - at)
}

/// Sends bytes on a connection of their own and says that nothing else comes: all that is answered until the other side
/// closes it. This is how Envoy does it.
///
/// # Errors
/// The connection was refused, or broke.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn read(bytes: &[u8], at: usize) -> Option<(Resp, usize)> {
    let end = at + bytes.get(at..)?.windows(2).position(|pair| pair == b"\r\n")?;
    let line = String::from_utf8_lossy(&bytes[at..end]).into_owned();
    let (kind, rest) = line.split_at_checked(1)?;
    let (rest, end) = (rest.to_owned(), end + 2);
    let number = || rest.parse::<i64>().unwrap_or_else(|_| panic!("no number: {line}"));
    match kind {
        "+" => Some((Resp::Simple(rest), end)),
        "-" => Some((Resp::Error(rest), end)),
        ":" => Some((Resp::Integer(number()), end)),
        "$" => match usize::try_from(number()) {
            Err(_) => Some((Resp::Bulk(None), end)),
            Ok(length) => {
                let text = bytes.get(end..end + length + 2)?;
                let text = String::from_utf8_lossy(&text[..length]).into_owned();
                Some((Resp::Bulk(Some(text)), end + length + 2))
            }
        },
        "*" => {
            let (mut all, mut at) = (Vec::new(), end);
            for _ in 0..number() {
                let (answer, end) = read(bytes, at)?;
                all.push(answer);
                at = end;
            }
            Some((Resp::Array(all), at))
        }
        _ => panic!("no RESP: {line}"),
    }
}
