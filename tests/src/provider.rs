//! A provider that answers as the test dictates and remembers every byte it was sent.
//!
//! It speaks HTTP/1.1 by hand over TCP: a server library would choose chunk boundaries itself, hide
//! repeated headers and refuse to break off in the middle, which are the things under test.
//!
//! Does not know what a good answer is: see `answers.rs`.

use crate::answers::Answers;
use crate::patience::until;
use crate::script::{Reply, Step};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// As in `POST`.
    pub method: String,
    /// With its query.
    pub path: String,
    /// In order, with repeats; names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Without the framing of the transfer.
    pub body: Vec<u8>,
}

impl Request {
    /// The values of a header, in order, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<String> {
        let values = self.headers.iter().filter(|(known, _)| known == name);
        values.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the provider was sent JSON")
    }
}

type Script = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

struct Shared {
    script: Mutex<Script>,
    requests: Mutex<Vec<Request>>,
    wire: Mutex<Vec<u8>>,
    hang_ups: Mutex<usize>,
}

/// A provider on a free port of the loopback interface; it ends with its value. It has a thread of its
/// own, so that a test that keeps its own threads busy does not slow it down.
pub struct Provider {
    address: SocketAddr,
    shared: Arc<Shared>,
    _ends_when_dropped: oneshot::Sender<()>,
}

impl Provider {
    /// Starts a provider that gives the default [`Answers`].
    pub async fn start() -> Self {
        let shared = Arc::new(Shared {
            script: Mutex::new(Answers::default().script()),
            requests: Mutex::default(),
            wire: Mutex::default(),
            hang_ups: Mutex::default(),
        });
        let (ends, ended) = oneshot::channel::<()>();
        let (bound, address) = oneshot::channel();
        let served = shared.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                let _ = bound.send(listener.local_addr().expect("a bound socket has an address"));
                tokio::select! {
                    () = accept(listener, served) => {}
                    _ = ended => {}
                }
            });
        });
        let address = address.await.expect("the provider listens");
        Self { address, shared, _ends_when_dropped: ends }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, answers requests like this.
    pub fn answer(&self, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Arc::new(script);
    }

    /// From now on, gives this reply to every request.
    pub fn reply(&self, reply: Reply) {
        self.answer(move |_| reply.clone());
    }

    /// Every complete request so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many complete requests there were so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    /// The newest request.
    ///
    /// # Panics
    /// If there was none.
    #[must_use]
    pub fn last(&self) -> Request {
        self.shared.requests.lock().unwrap().last().cloned().expect("the provider was asked something")
    }

    /// Every byte received so far on any connection, heads and bodies and what never became a request.
    #[must_use]
    pub fn wire(&self) -> Vec<u8> {
        self.shared.wire.lock().unwrap().clone()
    }

    /// Waits until `count` requests have arrived.
    pub async fn requested(&self, count: usize) {
        until(&format!("{count} requests at the provider"), async || (self.count() >= count).then_some(()))
            .await;
    }

    /// Waits until the other side has hung up on `count` replies that were not finished.
    pub async fn hung_up_on(&self, count: usize) {
        let look = async || (*self.shared.hang_ups.lock().unwrap() >= count).then_some(());
        until(&format!("{count} unfinished replies"), look).await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        connections.spawn(converse(stream, shared.clone()));
    }
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut wire = Wire { stream, unread: Vec::new(), shared: shared.clone() };
    while let Ok(request) = wire.request().await {
        let script = shared.script.lock().unwrap().clone();
        let reply = script(&request);
        shared.requests.lock().unwrap().push(request);
        match wire.play(reply).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => {
                *shared.hang_ups.lock().unwrap() += 1;
                return;
            }
        }
    }
}

struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
    shared: Arc<Shared>,
}

impl Wire {
    async fn more(&mut self) -> io::Result<()> {
        let before = self.unread.len();
        if self.stream.read_buf(&mut self.unread).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.shared.wire.lock().unwrap().extend_from_slice(&self.unread[before..]);
        Ok(())
    }

    async fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < count {
            self.more().await?;
        }
        Ok(self.unread.drain(..count).collect())
    }

    async fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let mut line = self.take(end + 2).await?;
                line.truncate(end);
                return Ok(line);
            }
            self.more().await?;
        }
    }

    async fn request(&mut self) -> io::Result<Request> {
        let mut request = loop {
            if let Some((request, length)) = parse_head(&self.unread)? {
                self.unread.drain(..length);
                break request;
            }
            self.more().await?;
        };
        if request.header("transfer-encoding").iter().any(|coding| coding == "chunked") {
            request.body = self.chunked().await?;
        } else if let Some(length) = request.header("content-length").first() {
            request.body = self.take(length.parse().map_err(io::Error::other)?).await?;
        }
        Ok(request)
    }

    async fn chunked(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = String::from_utf8(self.line().await?).map_err(io::Error::other)?;
            let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            if size == 0 {
                while !self.line().await?.is_empty() {} // trailers
                return Ok(body);
            }
            body.extend(self.take(size).await?);
            self.line().await?;
        }
    }

    /// Whether the connection can serve another request.
    async fn play(&mut self, reply: Reply) -> io::Result<bool> {
        for step in reply.0 {
            match step {
                Step::Write(bytes) => self.stream.write_all(&bytes).await?,
                Step::Pause(time) => tokio::time::sleep(time).await,
                Step::Await(gate) => tokio::select! {
                    () = gate.opened() => {}
                    gone = self.more() => gone?,
                },
                Step::Reset => {
                    self.stream.set_zero_linger()?;
                    return Ok(false);
                }
                Step::Close => {
                    self.stream.shutdown().await?;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

fn parse_head(bytes: &[u8]) -> io::Result<Option<(Request, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let headers = head.headers.iter().map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()));
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        path: head.path.unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: Vec::new(),
    };
    Ok(Some((request, length)))
}
