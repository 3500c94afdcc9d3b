//! Decides how the provider of the benchmark serves: it reads the whole of a request and answers as planned.
//!
//! By hand over TCP, because what it costs is taken from the same cores as what is measured. It reads all of a body
//! before it answers: an upstream that answers early makes Envoy close the connection, and every later request pays
//! for a new one. Connections are counted, so that this can be seen.
//!
//! Does not read what a body says.

mod answer;
mod plan;

pub(crate) use plan::{HEADER, Plan};

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until};

use crate::chunked::Chunked;
use crate::error::BenchError;
use answer::{Answers, STREAM};

/// Requests below this path are answered with 529.
pub(crate) const FAILING: &str = "/failing";
/// Where a plan for everybody is put.
pub(crate) const PLAN: &str = "/bench/plan";
/// Where the counts of connections and requests are.
pub(crate) const COUNTS: &str = "/bench/counts";
/// What a stream without a pace is written in, in bytes.
const PORTION: usize = 64 * 1024;

struct Shared {
    plan: Mutex<Plan>,
    answers: Answers,
    connections: AtomicU64,
    requests: AtomicU64,
}

struct Request {
    path: String,
    plan: Option<Plan>,
    body: Body,
}

enum Body {
    Length(usize),
    Chunks(Chunked),
}

/// Serves as the provider until it is killed, on one thread; the first line it writes is its port.
///
/// # Errors
/// If there is no port to listen on.
pub(crate) fn serve() -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(BenchError::io("upstream"))?;
    runtime.block_on(listen()).map_err(BenchError::io("upstream"))
}

async fn listen() -> io::Result<()> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener: TcpListener = socket.listen(4096)?;
    let shared = Arc::new(Shared {
        plan: Mutex::new(Plan::default()),
        answers: Answers::new(),
        connections: AtomicU64::new(0),
        requests: AtomicU64::new(0),
    });
    {
        use std::io::Write;
        writeln!(io::stdout(), "{}", listener.local_addr()?.port())?;
    }
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let shared = shared.clone();
        tokio::spawn(async move {
            shared.connections.fetch_add(1, Ordering::Relaxed);
            let _ = connection(stream, &shared).await; // who hangs up is not our business
        });
    }
}

async fn connection(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received: Vec<u8> = Vec::with_capacity(16 * 1024);
    loop {
        let Some(request) = head(&mut stream, &mut received).await? else { return Ok(()) };
        let control =
            body(&mut stream, &mut received, request.body, request.path.starts_with("/bench/")).await?;
        match request.path.as_str() {
            PLAN => {
                let plan = std::str::from_utf8(&control).ok().and_then(|text| text.parse().ok());
                let plan: Plan = plan.ok_or(io::ErrorKind::InvalidData)?;
                if let Ok(mut present) = shared.plan.lock() {
                    *present = plan;
                }
                stream.write_all(&shared.answers.plain).await?;
            }
            COUNTS => {
                let connections = shared.connections.load(Ordering::Relaxed);
                let requests = shared.requests.load(Ordering::Relaxed);
                let counts = format!("{connections} {requests}");
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{counts}", counts.len());
                stream.write_all(head.as_bytes()).await?;
            }
            path => {
                shared.requests.fetch_add(1, Ordering::Relaxed);
                let common = shared.plan.lock().map(|plan| *plan).unwrap_or_default();
                let mut plan = request.plan.unwrap_or(common);
                if path.starts_with(FAILING) {
                    plan.status = 529;
                }
                answer(&mut stream, &shared.answers, plan).await?;
            }
        }
    }
}

/// Takes the next head off the connection; `None` at its end.
async fn head(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<Option<Request>> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(received) {
            Ok(httparse::Status::Complete(length)) => {
                let mut request = Request {
                    path: parsed.path.unwrap_or_default().to_owned(),
                    plan: None,
                    body: Body::Length(0),
                };
                for header in parsed.headers.iter() {
                    let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
                    if header.name.eq_ignore_ascii_case("content-length") {
                        request.body = Body::Length(value.parse().map_err(|_| io::ErrorKind::InvalidData)?);
                    } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                        request.body = Body::Chunks(Chunked::default());
                    } else if header.name.eq_ignore_ascii_case(HEADER) {
                        request.plan = value.parse().ok();
                    }
                }
                received.drain(..length);
                return Ok(Some(request));
            }
            Ok(httparse::Status::Partial) => {}
            Err(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
        received.reserve(16 * 1024);
        if stream.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
}

/// Reads a body to its end, and keeps it only if it is `wanted`.
async fn body(
    stream: &mut TcpStream,
    received: &mut Vec<u8>,
    body: Body,
    wanted: bool,
) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let mut left = body;
    loop {
        let done = match &mut left {
            Body::Length(length) => {
                let here = (*length).min(received.len());
                if wanted {
                    kept.extend(received.iter().take(here));
                }
                received.drain(..here);
                *length -= here;
                *length == 0
            }
            Body::Chunks(chunked) => {
                let keep = |piece: &[u8]| kept.extend_from_slice(if wanted { piece } else { &[] });
                let used = chunked.feed(received, keep).map_err(|_| io::ErrorKind::InvalidData)?;
                received.drain(..used);
                chunked.done()
            }
        };
        if done {
            return Ok(kept);
        }
        received.reserve(256 * 1024);
        if stream.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn answer(stream: &mut TcpStream, answers: &Answers, plan: Plan) -> io::Result<()> {
    if !plan.delay.is_zero() {
        sleep(plan.delay).await;
    }
    if plan.status != 200 {
        return stream.write_all(&Answers::error(plan.status)).await;
    }
    if plan.events == 0 {
        return stream.write_all(&answers.plain).await;
    }
    stream.write_all(STREAM.as_bytes()).await?;
    if plan.pace.is_zero() {
        let mut portion = Vec::with_capacity(2 * PORTION);
        for event in 0..plan.events {
            portion.extend_from_slice(answers.event(event));
            if portion.len() >= PORTION {
                stream.write_all(&portion).await?;
                portion.clear();
            }
        }
        portion.extend_from_slice(&answers.end);
        return stream.write_all(&portion).await;
    }
    let started = Instant::now();
    for event in 0..plan.events {
        // Moments that are fixed beforehand: a late event makes no later one late.
        sleep_until(started + plan.pace * event).await;
        stream.write_all(answers.event(event)).await?;
    }
    stream.write_all(&answers.end).await
}
