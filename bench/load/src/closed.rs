//! Decides when requests are sent in a closed loop: each connection sends its next one when it has the answer to its
//! last. That is how throughput and CPU time are measured; for latency see `open.rs`.
//!
//! A loop ends with nothing under way, so that what was used in it belongs to the calls that were counted in it.
//!
//! Does not read CPU time.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::error::BenchError;
use crate::request::Request;
use crate::tally::Tally;

/// How long a loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Sends no more after this time.
    Time(Duration),
    /// Sends this many, over all connections.
    Calls(u64),
    /// Sends this many, but none after this time.
    Either(u64, Duration),
}

/// Who sends what, and where.
#[derive(Clone)]
pub(crate) struct Clients {
    /// The system.
    pub(crate) address: SocketAddr,
    /// What is sent.
    pub(crate) request: Arc<Request>,
    /// Sessions that the requests belong to, in turn.
    pub(crate) sessions: u64,
}

struct Loop {
    clients: Clients,
    extent: Extent,
    started: Instant,
    next: AtomicU64,
    tally: Mutex<Tally>,
}

/// Opens connections.
///
/// # Errors
/// If one of them cannot be opened.
pub(crate) async fn connect(address: SocketAddr, connections: usize) -> Result<Vec<Connection>, BenchError> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await.map_err(BenchError::io("connect"))?);
    }
    Ok(open)
}

/// Runs a loop on these connections, and gives them back.
pub(crate) async fn run(
    clients: &Clients,
    connections: Vec<Connection>,
    extent: Extent,
) -> (Vec<Connection>, Tally) {
    let common = Arc::new(Loop {
        clients: clients.clone(),
        extent,
        started: Instant::now(),
        next: AtomicU64::new(0),
        tally: Mutex::new(Tally::new()),
    });
    let mut tasks = JoinSet::new();
    for connection in connections {
        let common = common.clone();
        tasks.spawn(async move { common.turns(connection).await });
    }
    let connections = tasks.join_all().await.into_iter().flatten().collect();
    let tally = common.tally.lock().map_or_else(|_| Tally::new(), |tally| tally.clone());
    (connections, tally)
}

impl Loop {
    async fn turns(&self, connection: Connection) -> Option<Connection> {
        let mut connection = Some(connection);
        let mut head = Vec::new();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let more = match self.extent {
                Extent::Time(time) => self.started.elapsed() < time,
                Extent::Calls(calls) => number < calls,
                Extent::Either(calls, time) => number < calls && self.started.elapsed() < time,
            };
            if !more {
                return match connection {
                    // Whoever closes connections shall find as many in the next loop.
                    None => Connection::open(self.clients.address).await.ok(),
                    open => open,
                };
            }
            let mut open = match connection.take() {
                Some(open) => open,
                None => Connection::open(self.clients.address).await.ok()?,
            };
            let request = &self.clients.request;
            request.head(number % self.clients.sessions.max(1), &mut head);
            let sent = Instant::now();
            let answer = open.call(&head, &request.body).await;
            if answer.as_ref().is_ok_and(|answer| answer.reusable) {
                connection = Some(open);
            }
            if let Ok(mut tally) = self.tally.lock() {
                tally.add(request, sent, &answer);
            }
        }
    }
}
