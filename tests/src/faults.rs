//! Stands between Envoy and a Valkey and does to calls what networks do, each by a plan that a seed repeats: a call is lost
//! before it is run or after, its answer is cut, comes late, or the call is run twice.
//!
//! A call is a connection of its own, as with Envoy: all that is sent until the caller says that nothing else comes, and
//! all that is answered until the server closes.

use crate::patience::until;
use crate::resp;
use farebox_readers::dice::Dice;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Calls that are remembered.
const REMEMBERED: usize = 10_000;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered.
    None,
    /// The connection is reset before anything is read.
    Refused,
    /// It is not run, and the connection is closed.
    Lost,
    /// It is run, and the connection is closed without an answer.
    Unanswered,
    /// It is run, and so many percent of the answer come before the connection is closed.
    Cut(u8),
    /// It is run, and the answer comes later by so many milliseconds.
    Late(u64),
    /// It is run later by so many milliseconds, and answered then, if anybody still listens.
    Overtaken(u64),
    /// It is run twice; the first answer counts.
    Repeated,
}

/// A call that came through here, once its end is known.
#[derive(Clone, Debug)]
pub struct Passed {
    /// What became of it.
    pub fault: Fault,
    /// What was sent.
    pub call: Vec<u8>,
    /// What was answered, as a whole; empty if it was not run.
    pub answer: Vec<u8>,
}

type Plan = Box<dyn FnMut(usize) -> Fault + Send>;

struct Shared {
    upstream: Mutex<SocketAddr>,
    plan: Mutex<(usize, Plan)>,
    passed: Mutex<Vec<Passed>>,
}

/// A listener that spoils calls. Dropping it closes it.
pub struct Faults {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Faults {
    /// Stands before `upstream` and passes everything on.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let plan: Plan = Box::new(|_| Fault::None);
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            plan: Mutex::new((0, plan)),
            passed: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let fault = served.next();
                tokio::spawn(Arc::clone(&served).serve(stream, fault));
            }
        });
        Self { address, shared, task }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes calls on to another server from now on.
    pub fn lead_to(&self, upstream: SocketAddr) {
        *lock(&self.shared.upstream) = upstream;
    }

    /// Has the calls from now on meet what `plan` says of their number, which begins with zero.
    pub fn plan(&self, plan: impl FnMut(usize) -> Fault + Send + 'static) {
        *lock(&self.shared.plan) = (0, Box::new(plan));
    }

    /// Has of a hundred calls so many meet a fault, of any kind, with delays of up to so many milliseconds.
    ///
    /// # Panics
    /// If the delay is zero.
    pub fn seeded(&self, seed: u64, percent: u64, delay_ms: u64) {
        let mut dice = Dice::new(seed);
        self.plan(move |_| if dice.below(100) < percent { any(&mut dice, delay_ms) } else { Fault::None });
    }

    /// Passes everything on from now on.
    pub fn heal(&self) {
        self.plan(|_| Fault::None);
    }

    /// The calls whose end is known, in the order of their ends; the first ten thousand.
    #[must_use]
    pub fn passed(&self) -> Vec<Passed> {
        lock(&self.shared.passed).clone()
    }

    /// Waits until so many calls have ended.
    pub async fn passed_count(&self, count: usize) {
        until(&format!("{count} calls to pass"), async || {
            (lock(&self.shared.passed).len() >= count).then_some(())
        })
        .await;
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn next(&self) -> Fault {
        let mut plan = lock(&self.plan);
        let number = plan.0;
        plan.0 += 1;
        (plan.1)(number)
    }

    async fn serve(self: Arc<Self>, mut caller: TcpStream, fault: Fault) {
        let (mut call, mut answer) = (Vec::new(), Vec::new());
        if fault == Fault::Refused {
            // Closed with something unread, a connection is reset.
            let _ = caller.readable().await;
        } else if caller.read_to_end(&mut call).await.is_ok() {
            answer = self.run(fault, &call).await;
            let sent = match fault {
                Fault::Refused | Fault::Lost | Fault::Unanswered => &[][..],
                Fault::Cut(percent) => &answer[..answer.len() * usize::from(percent.min(100)) / 100],
                Fault::None | Fault::Late(_) | Fault::Overtaken(_) | Fault::Repeated => &answer,
            };
            let _ = caller.write_all(sent).await;
        }
        drop(caller);
        let mut passed = lock(&self.passed);
        // Storms make very many.
        if passed.len() < REMEMBERED {
            passed.push(Passed { fault, call, answer });
        }
    }

    async fn run(&self, fault: Fault, call: &[u8]) -> Vec<u8> {
        if matches!(fault, Fault::Refused | Fault::Lost) {
            return Vec::new();
        }
        if let Fault::Overtaken(ms) = fault {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        // A server that is gone answers nothing, and so it is passed on.
        let upstream = *lock(&self.upstream);
        let answer = resp::exchange(upstream, call).await.unwrap_or_default();
        if fault == Fault::Repeated {
            let _ = resp::exchange(upstream, call).await;
        }
        if let Fault::Late(ms) = fault {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        answer
    }
}

fn any(dice: &mut Dice, delay_ms: u64) -> Fault {
    match dice.below(7) {
        0 => Fault::Refused,
        1 => Fault::Lost,
        2 => Fault::Unanswered,
        3 => Fault::Cut(u8::try_from(dice.below(100)).expect("less than 100")),
        4 => Fault::Late(dice.below(delay_ms)),
        5 => Fault::Overtaken(dice.below(delay_ms)),
        _ => Fault::Repeated,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
