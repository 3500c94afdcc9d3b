//! Decides how this program asks small questions over HTTP: of Envoy's admin page and of the upstream.
//!
//! Does not measure.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::BenchError;

/// Status and body of what is at a path.
///
/// # Errors
/// If nobody answers, or not in HTTP/1.1.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<(u16, String), BenchError> {
    ask(address, "GET", path, "").await
}

/// The same after sending a body.
///
/// # Errors
/// As [`get`].
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> Result<(u16, String), BenchError> {
    exchange(address, method, path, body).await.map_err(BenchError::io(format!("{method} {path}")))
}

async fn exchange(address: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut received = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut headers);
        if let Ok(httparse::Status::Complete(head)) = parsed.parse(&received) {
            let header = |name: &str| {
                let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
                std::str::from_utf8(found.value).ok()
            };
            let body = received.get(head..).unwrap_or_default();
            let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
            let mut text = Vec::new();
            let whole = match length {
                Some(length) => {
                    text.extend_from_slice(body);
                    body.len() >= length
                }
                None => {
                    let mut chunked = crate::chunked::Chunked::default();
                    let fed = chunked.feed(body, |data| text.extend_from_slice(data));
                    fed.map_err(|_| io::ErrorKind::InvalidData)?;
                    chunked.done()
                }
            };
            if whole {
                return Ok((parsed.code.unwrap_or_default(), String::from_utf8_lossy(&text).into_owned()));
            }
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
