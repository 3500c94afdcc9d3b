//! Decides what Envoy does when the filter calls it, for native tests: the ABI's functions over memory.
//!
//! What a test needs of Envoy is kept as Envoy 1.40 has it: a header map is only there in the callbacks
//! that may use it, shared data has versions, a local reply is sent after the callback that made it, and
//! a counter takes no zero. All of it belongs to one thread, as in a worker, so tests do not meet. Any
//! call can be made to fail with any status.
//!
//! Does not route, buffer or send: `stream.rs` plays the part of Envoy's filter manager, `upstream.rs` that of the one
//! behind its router.

mod abi;
mod callouts;
mod stream;
mod upstream;
mod vm;

pub(crate) use callouts::HttpCall;
pub(crate) use stream::Stream;
pub(crate) use upstream::Upstream;
pub(crate) use vm::FakeVm;

use core::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

/// Statuses of the ABI.
pub(crate) const OK: u32 = 0;
pub(crate) const NOT_FOUND: u32 = 1;
pub(crate) const BAD_ARGUMENT: u32 = 2;
pub(crate) const EMPTY: u32 = 7;
pub(crate) const CAS_MISMATCH: u32 = 8;
pub(crate) const INTERNAL_FAILURE: u32 = 10;

/// 2026-11-21T12:00:00Z, a Saturday: when every test begins.
pub(crate) const NOON: u64 = 1_795_262_400_000;

/// Names and values in order.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Calls that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Call {
    Clock,
    Tick,
    Enter,
    GetHeaders,
    ReplaceHeader,
    RemoveHeader,
    GetBuffer,
    SetBuffer,
    GetProperty,
    SetProperty,
    GetShared,
    SetShared,
    DefineMetric,
    Count,
    Reply,
    Close,
    Resume,
    Queue,
    Dispatch,
}

impl Call {
    pub(crate) const ALL: [Self; 19] = [
        Self::Clock,
        Self::Tick,
        Self::Enter,
        Self::GetHeaders,
        Self::ReplaceHeader,
        Self::RemoveHeader,
        Self::GetBuffer,
        Self::SetBuffer,
        Self::GetProperty,
        Self::SetProperty,
        Self::GetShared,
        Self::SetShared,
        Self::DefineMetric,
        Self::Count,
        Self::Reply,
        Self::Close,
        Self::Resume,
        Self::Queue,
        Self::Dispatch,
    ];
}

/// What may be done with a header map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Access {
    #[default]
    None,
    Read,
    Write,
}

#[derive(Clone, Debug, Default)]
pub(super) struct HeaderMap {
    pub(super) pairs: Pairs,
    pub(super) access: Access,
}

/// What the host knows of one stream.
#[derive(Debug, Default)]
pub(super) struct StreamState {
    pub(super) request: HeaderMap,
    pub(super) response: HeaderMap,
    pub(super) request_body: Option<Vec<u8>>,
    pub(super) response_body: Option<Vec<u8>>,
    pub(super) properties: HashMap<Vec<u8>, Vec<u8>>,
    /// Local replies that the filter asked for and that were not sent yet.
    pub(super) asked_replies: Vec<LocalReply>,
    /// The filter closed it.
    pub(super) closed: bool,
    /// The filter let it go on, which it does after the callback.
    pub(super) resumed: bool,
    /// Its context was deleted.
    pub(super) gone: bool,
}

#[derive(Clone, Debug)]
pub(super) struct LocalReply {
    pub(super) status: u32,
    pub(super) details: String,
    pub(super) headers: Pairs,
    pub(super) body: Vec<u8>,
}

#[derive(Debug)]
struct Metric {
    name: String,
    counter: bool,
    values: Vec<u64>,
}

/// Lets `passes` calls through and then answers with `status`.
#[derive(Clone, Copy, Debug)]
struct Failure {
    passes: u32,
    status: u32,
}

#[derive(Debug, Default)]
pub(super) struct Host {
    now_ms: u64,
    pub(super) current: u32,
    /// The VM whose callback runs.
    pub(super) vm: u32,
    last_vm: u32,
    http_calls: Vec<HttpCall>,
    queues: Vec<callouts::Queue>,
    /// The answer that a callback is about.
    callout: (HeaderMap, Option<Vec<u8>>),
    last_context: u32,
    pub(super) streams: HashMap<u32, StreamState>,
    pub(super) configuration: Vec<u8>,
    pub(super) vm_configuration: Vec<u8>,
    /// What Envoy says of its own version.
    pub(super) version: Option<(u64, u64)>,
    shared: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    last_cas: u32,
    metrics: Vec<Metric>,
    logs: Vec<String>,
    tick_ms: Option<u32>,
    failures: HashMap<Call, Failure>,
    calls: BTreeMap<Call, usize>,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
    static BEFORE_WRITE: RefCell<Option<Box<dyn FnOnce()>>> = RefCell::default();
}

pub(super) fn with<T>(act: impl FnOnce(&mut Host) -> T) -> T {
    HOST.with_borrow_mut(act)
}

/// Answers a call, unless it is made to fail.
pub(super) fn answer(call: Call, act: impl FnOnce(&mut Host) -> u32) -> u32 {
    with(|host| {
        *host.calls.entry(call).or_default() += 1;
        if let Some(failure) = host.failures.get_mut(&call) {
            if failure.passes == 0 {
                return failure.status;
            }
            failure.passes -= 1;
        }
        act(host)
    })
}

impl Host {
    /// The stream that calls are about now.
    pub(super) fn stream(&mut self) -> Option<&mut StreamState> {
        self.streams.get_mut(&self.current)
    }

    pub(super) fn new_vm(&mut self) -> u32 {
        self.last_vm += 1;
        self.last_vm
    }

    pub(super) fn new_context(&mut self) -> u32 {
        self.last_context += 1;
        self.last_context
    }
}

/// How often the filter called since this was last asked, by call.
pub(crate) fn calls() -> BTreeMap<Call, usize> {
    with(|host| core::mem::take(&mut host.calls))
}

/// Forgets everything, as when Envoy is started again.
pub(super) fn reset() {
    with(|host| *host = Host { now_ms: NOON, ..Host::default() });
    BEFORE_WRITE.set(None);
}

/// Lets time pass.
pub(crate) fn now_ms() -> u64 {
    with(|host| host.now_ms)
}

/// Time passes.
pub(crate) fn advance(ms: u64) {
    with(|host| host.now_ms += ms);
}

/// Has Envoy say that it is of this version.
pub(crate) fn be_envoy(version: Option<(u64, u64)>) {
    with(|host| host.version = version);
}

/// Makes every `call` fail with `status`.
pub(crate) fn fail(call: Call, status: u32) {
    fail_after(0, call, status);
}

/// Makes every `call` after `passes` more fail with `status`.
pub(crate) fn fail_after(passes: u32, call: Call, status: u32) {
    with(|host| host.failures.insert(call, Failure { passes, status }));
}

/// Lets every call succeed again.
pub(crate) fn heal() {
    with(|host| host.failures.clear());
}

/// Has `act` happen in the middle of the next write of shared data: what another worker does between this
/// one's reading and writing.
pub(crate) fn before_next_write(act: impl FnOnce() + 'static) {
    BEFORE_WRITE.set(Some(Box::new(act)));
}

/// All shared data with its versions.
pub(crate) fn shared_data() -> BTreeMap<Vec<u8>, (Vec<u8>, u32)> {
    with(|host| host.shared.clone())
}

/// Writes shared data as something else than the filter would.
pub(crate) fn put_shared_data(key: &str, value: &[u8]) {
    with(|host| host.put(key.as_bytes(), value, 0));
}

/// What a counter stands at; `None` if it was never defined.
pub(crate) fn counter(name: &str) -> Option<u64> {
    with(|host| host.metric(name).filter(|metric| metric.counter).map(|metric| metric.values.iter().sum()))
}

/// What a histogram was given; `None` if it was never defined.
pub(crate) fn histogram(name: &str) -> Option<Vec<u64>> {
    with(|host| host.metric(name).filter(|metric| !metric.counter).map(|metric| metric.values.clone()))
}

/// What a gauge was set to last; `None` if it was never defined.
pub(crate) fn gauge(name: &str) -> Option<u64> {
    histogram(name).and_then(|values| values.last().copied())
}

/// The names of all metrics, sorted.
pub(crate) fn metric_names() -> Vec<String> {
    let mut names: Vec<String> = with(|host| host.metrics.iter().map(|metric| metric.name.clone()).collect());
    names.sort_unstable();
    names
}

/// Everything that was logged.
pub(crate) fn logs() -> Vec<String> {
    with(|host| host.logs.clone())
}

/// The period of ticks that was asked for.
pub(crate) fn tick_ms() -> Option<u32> {
    with(|host| host.tick_ms)
}

impl Host {
    fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }

    /// Envoy's rule for writing shared data: zero writes always, another version only over itself or where
    /// nothing is.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8], cas: u32) -> u32 {
        if self.shared.get(key).is_some_and(|(_, current)| cas != 0 && *current != cas) {
            return CAS_MISMATCH;
        }
        self.last_cas += 1;
        self.shared.insert(key.to_vec(), (value.to_vec(), self.last_cas));
        OK
    }
}
