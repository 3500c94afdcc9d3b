//! A caller that sends exactly these bytes: broken, hostile, or cut off in the middle.

use crate::envoy::Envoy;
use crate::patience::within;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection without manners.
pub struct Raw {
    stream: TcpStream,
    address: SocketAddr,
    /// Everything received so far.
    pub received: Vec<u8>,
}

impl Raw {
    /// Connects to the gateway.
    ///
    /// # Panics
    /// If it does not listen.
    pub async fn connect(envoy: &Envoy) -> Self {
        let stream = TcpStream::connect(envoy.address()).await.expect("the gateway listens");
        Self { stream, address: envoy.address(), received: Vec::new() }
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// If the other side has hung up.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the gateway reads");
    }

    /// Sends bytes as they are, if the other side takes them.
    ///
    /// # Errors
    /// The other side has hung up.
    pub async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends a chat request: these header lines besides the necessary ones, this body.
    pub async fn chat(&mut self, headers: &[u8], body: &[u8]) {
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\n", self.address);
        let length = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        self.send(&[head.as_bytes(), headers, length.as_bytes(), body].concat()).await;
    }

    /// Waits until `needle` has been received.
    ///
    /// # Panics
    /// If the connection ends before.
    pub async fn sees(&mut self, needle: &[u8]) {
        within(&format!("{:?} on a raw connection", String::from_utf8_lossy(needle)), async {
            while !self.received.windows(needle.len()).any(|window| window == needle) {
                let read = self.stream.read_buf(&mut self.received).await.expect("the gateway answers");
                assert!(read > 0, "the gateway hung up after {:?}", String::from_utf8_lossy(&self.received));
            }
        })
        .await;
    }

    /// The status of the answer, once its head is there.
    ///
    /// # Panics
    /// If there is none.
    pub async fn status(&mut self) -> u16 {
        self.sees(b"\r\n\r\n").await;
        let line = String::from_utf8_lossy(&self.received);
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
    }

    /// Reads until the other side hangs up, properly or not.
    pub async fn ends(&mut self) {
        within("the end of a raw connection", async {
            while self.stream.read_buf(&mut self.received).await.is_ok_and(|read| read > 0) {}
        })
        .await;
    }

    /// Resets the connection: the other side sees RST, not FIN.
    ///
    /// # Panics
    /// If the operating system does not allow it.
    pub fn reset(self) {
        self.stream.set_zero_linger().expect("the option exists");
    }
}
