//! Very many small requests, each by somebody else, with as little effort as possible outside of Envoy: a caller and
//! a provider that do nothing but write the same bytes and wait for the end of the answer.
//!
//! Does not look at answers but for their status: see `client.rs` and `provider.rs`.

use crate::envoy::Envoy;
use crate::patience::within;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A chat answer of 11 tokens in and 5 out.
const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Yes."}}],"usage":{"prompt_tokens":11,"completion_tokens":5,"total_tokens":16}}"#;
const QUESTION: &str = r#"{"model":"fast","max_tokens":5,"messages":[{"role":"user","content":"?"}]}"#;

/// A provider that gives one tiny answer to everything. It ends with its value.
pub struct TinyProvider {
    address: SocketAddr,
    served: Arc<AtomicU64>,
    _ends_when_dropped: oneshot::Sender<()>,
}

impl TinyProvider {
    /// Starts it on a free port and a thread of its own.
    pub async fn start() -> Self {
        let (ends, ended) = oneshot::channel::<()>();
        let (bound, address) = oneshot::channel();
        let served = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&served);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                let _ = bound.send(listener.local_addr().expect("a bound socket has an address"));
                tokio::select! {
                    () = serve(listener, counter) => {}
                    _ = ended => {}
                }
            });
        });
        Self { address: address.await.expect("the provider listens"), served, _ends_when_dropped: ends }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests came so far.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

async fn serve(listener: TcpListener, served: Arc<AtomicU64>) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{ANSWER}",
        ANSWER.len()
    );
    let mut connections = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let (answer, served) = (answer.clone(), Arc::clone(&served));
        connections.spawn(async move {
            let _ = stream.set_nodelay(true);
            let mut received = Vec::new();
            while next_message(&mut stream, &mut received).await.is_some() {
                served.fetch_add(1, Ordering::Relaxed);
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Takes one message with a `content-length` off a connection: its head. `None` if the connection ends.
async fn next_message(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let whole = end + 4 + length.and_then(|length| length.parse::<usize>().ok()).unwrap_or_default();
            while received.len() < whole {
                if stream.read_buf(received).await.ok()? == 0 {
                    return None;
                }
            }
            received.drain(..whole);
            return Some(head);
        }
        if stream.read_buf(received).await.ok()? == 0 {
            return None;
        }
    }
}

/// Asks once for each of the sessions `from..to`, over so many connections. Returns how often which status came.
///
/// # Panics
/// If the gateway does not answer.
pub async fn ask_each(
    envoy: &Envoy,
    key: &str,
    (from, to): (usize, usize),
    connections: usize,
) -> BTreeMap<u16, usize> {
    let mut callers = JoinSet::new();
    for first in from..from + connections {
        let (address, key) = (envoy.address(), key.to_owned());
        callers.spawn(async move {
            let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
            let mut stream = TcpStream::connect(address).await.expect("the gateway listens");
            let _ = stream.set_nodelay(true);
            let mut received = Vec::new();
            for session in (first..to).step_by(connections) {
                let request = format!(
                    "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {key}\r\n\
                     x-farebox-session: session-{session}\r\ncontent-type: application/json\r\n\
                     content-length: {}\r\n\r\n{QUESTION}",
                    QUESTION.len()
                );
                stream.write_all(request.as_bytes()).await.expect("the gateway reads");
                let head = next_message(&mut stream, &mut received).await.expect("the gateway answers");
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
                *statuses.entry(status.expect("a status line")).or_default() += 1;
            }
            statuses
        });
    }
    within("the answers to a crowd", async {
        let mut all: BTreeMap<u16, usize> = BTreeMap::new();
        while let Some(statuses) = callers.join_next().await {
            for (status, count) in statuses.expect("a caller comes to its end") {
                *all.entry(status).or_default() += count;
            }
        }
        all
    })
    .await
}
