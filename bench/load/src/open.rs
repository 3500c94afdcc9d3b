//! Decides when requests are sent in an open loop: at the moments of a schedule, by whichever connection is free.
//!
//! The moments come from a thread that sleeps, because the runtime's own timers count whole milliseconds, which is
//! longer than most of what is measured. If no connection is free a call waits, and its time runs.
//!
//! Does not decide the moments: see `schedule.rs`.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::prctl;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::closed::Clients;
use crate::connection::Connection;
use crate::error::BenchError;
use crate::schedule::Schedule;
use crate::tally::Tally;

/// How long after its last moment a schedule may lag behind.
const PATIENCE: Duration = Duration::from_secs(10);

struct Queue {
    clients: Clients,
    /// Calls that are due: number and moment. `None` for each worker that may go.
    due: Mutex<VecDeque<Option<(u64, Instant)>>>,
    /// At least as many permits as `due` is long. It is never closed: that would take back a permit that a worker has
    /// been given and not seen yet, and its call would be lost.
    ready: Semaphore,
    tally: Mutex<Tally>,
}

/// Sends requests as scheduled on these connections, and gives them back with what became of the calls.
///
/// # Errors
/// If there can be no thread.
pub(crate) async fn run(
    clients: &Clients,
    connections: Vec<Connection>,
    schedule: Schedule,
) -> Result<(Vec<Connection>, Tally), BenchError> {
    let queue = Arc::new(Queue {
        clients: clients.clone(),
        due: Mutex::new(VecDeque::new()),
        ready: Semaphore::new(0),
        tally: Mutex::new(Tally::new()),
    });
    let mut tasks = JoinSet::new();
    for connection in connections {
        let queue = queue.clone();
        tasks.spawn(async move { queue.work(connection).await });
    }
    let (done, called) = oneshot::channel();
    let calling = queue.clone();
    let thread = std::thread::Builder::new().spawn(move || {
        call_in_time(&calling, schedule);
        let _ = done.send(());
    });
    thread.map_err(BenchError::io("a thread"))?;
    let _ = called.await;
    let ended = Instant::now();
    while queue.waits() && ended.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let unsent = queue.end(tasks.len());
    if let (Ok(mut tally), true) = (queue.tally.lock(), unsent > 0) {
        tally.fail("never sent, because no connection became free".to_owned(), unsent as u64);
    }
    let connections = tasks.join_all().await.into_iter().flatten().collect();
    let tally = queue.tally.lock().map_or_else(|_| Tally::new(), |tally| tally.clone());
    Ok((connections, tally))
}

fn call_in_time(queue: &Queue, schedule: Schedule) {
    // The kernel may let a sleeper sleep longer than it asked for, to wake several at once: by 50 µs, unless told.
    let _ = prctl::set_timerslack(1);
    let started = Instant::now();
    let mut called = 0;
    while called < schedule.calls() {
        let due = schedule.due(started.elapsed());
        if due > called {
            if let Ok(mut list) = queue.due.lock() {
                list.extend((called..due).map(|call| Some((call, started + schedule.moment(call)))));
            }
            queue.ready.add_permits(usize::try_from(due - called).unwrap_or_default());
            called = due;
        }
        let next = started + schedule.moment(called);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

impl Queue {
    /// Whether a call waits for a connection.
    fn waits(&self) -> bool {
        self.due.lock().is_ok_and(|due| !due.is_empty())
    }

    /// Lets all workers go; returns how many calls nobody made.
    fn end(&self, workers: usize) -> usize {
        let Ok(mut due) = self.due.lock() else { return 0 };
        let unsent = due.len();
        due.clear();
        due.extend(std::iter::repeat_n(None, workers));
        drop(due);
        self.ready.add_permits(workers);
        unsent
    }

    async fn work(&self, connection: Connection) -> Option<Connection> {
        let mut connection = Some(connection);
        let mut head = Vec::new();
        loop {
            let Ok(permit) = self.ready.acquire().await else { return connection };
            permit.forget();
            let Some(due) = self.due.lock().ok()?.pop_front() else { continue };
            let Some((number, meant)) = due else { return connection };
            let request = &self.clients.request;
            request.head(number % self.clients.sessions.max(1), &mut head);
            let late = Instant::now().saturating_duration_since(meant);
            let answer = match usable(connection.take(), self.clients.address).await {
                Ok(mut open) => {
                    let answer = open.call(&head, &request.body).await;
                    if answer.as_ref().is_ok_and(|answer| answer.reusable) {
                        connection = Some(open);
                    }
                    answer
                }
                Err(error) => Err(error),
            };
            if let Ok(mut tally) = self.tally.lock() {
                tally.late.add(late);
                tally.add(request, meant, &answer);
            }
        }
    }
}

async fn usable(connection: Option<Connection>, address: SocketAddr) -> io::Result<Connection> {
    match connection {
        Some(open) => Ok(open),
        None => Connection::open(address).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Request;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn the_time_of_a_call_runs_while_it_waits_for_a_connection() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            while stream.read(&mut request).await.unwrap() > 0 {
                tokio::time::sleep(Duration::from_millis(40)).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            }
        });
        let clients = Clients { address, request: Arc::new(Request::get("/")), sessions: 1 };
        let schedule = Schedule { rate: 1000.0, time: Duration::from_millis(5) };
        let connections = vec![Connection::open(address).await.unwrap()];
        let (connections, tally) = run(&clients, connections, schedule).await.unwrap();
        assert_eq!((connections.len(), tally.calls, tally.complaint()), (1, 5, None));
        // Five calls of 40 ms each, one after the other, were all meant to be sent within 5 ms.
        assert!(tally.whole.spread().max_us > 190_000.0, "{:?}", tally.whole.spread());
        assert!(tally.late.spread().max_us > 150_000.0, "{:?}", tally.late.spread());
        drop(connections);
        server.await.unwrap();
    }

    #[test]
    fn no_call_is_lost_when_the_runtime_wakes_up_after_the_end_of_the_schedule() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.on_thread_unpark(|| std::thread::sleep(Duration::from_millis(20)));
        let tally = builder.enable_all().build().unwrap().block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    tokio::spawn(async move {
                        let mut request = [0; 1024];
                        while stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                            stream
                                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                                .await
                                .unwrap();
                        }
                    });
                }
            });
            let clients = Clients { address, request: Arc::new(Request::get("/")), sessions: 1 };
            let connections = crate::closed::connect(address, 8).await.unwrap();
            let schedule = Schedule { rate: 1000.0, time: Duration::from_millis(4) };
            run(&clients, connections, schedule).await.unwrap().1
        });
        assert_eq!((tally.calls, tally.complaint()), (4, None));
    }
}
