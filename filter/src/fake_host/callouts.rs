//! What Envoy does for calls to other clusters and for queues: keeps them until the test has them answered or fetched.

use std::sync::atomic::{AtomicU32, Ordering};

use super::abi::{given, hand_over, read_pairs};
use super::{Access, Call, EMPTY, HeaderMap, Host, NOT_FOUND, OK, Pairs, answer, with};

/// A call that the filter made and that has no answer yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpCall {
    pub(crate) token: u32,
    pub(crate) cluster: String,
    pub(crate) headers: Pairs,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout_ms: u32,
    /// The context that it ends with; zero: a root context.
    pub(crate) context: u32,
    pub(super) vm: u32,
}

/// A shared queue. One that is registered anew calls whoever did so last.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) name: Vec<u8>,
    pub(super) vm: u32,
    pub(super) values: usize,
    /// How often it has to call.
    pub(super) calls: usize,
}

/// The SDK remembers every token that it was ever given in a thread, and tests may share one.
static LAST_TOKEN: AtomicU32 = AtomicU32::new(0);

impl Host {
    pub(super) fn called(&mut self, cluster: &[u8], headers: Pairs, body: &[u8], timeout_ms: u32) -> u32 {
        let token = LAST_TOKEN.fetch_add(1, Ordering::Relaxed) + 1;
        self.http_calls.push(HttpCall {
            token,
            cluster: String::from_utf8_lossy(cluster).into_owned(),
            headers,
            body: body.to_vec(),
            timeout_ms,
            context: self.current,
            vm: self.vm,
        });
        token
    }

    pub(super) fn register_queue(&mut self, name: &[u8]) -> u32 {
        let at = self.queues.iter().position(|queue| queue.name == name).unwrap_or_else(|| {
            self.queues.push(Queue { name: name.to_vec(), vm: self.vm, values: 0, calls: 0 });
            self.queues.len() - 1
        });
        self.queues[at].vm = self.vm;
        at as u32
    }
}

/// The calls of a VM that have no answer yet.
pub(super) fn http_calls(vm: u32) -> Vec<HttpCall> {
    with(|host| host.http_calls.iter().filter(|call| call.vm == vm).cloned().collect())
}

/// Has a call answered; `None`: without headers. Returns how large the answer is.
pub(super) fn begin_answer(token: u32, status: Option<u16>, body: &[u8]) -> (usize, usize) {
    with(|host| {
        host.http_calls.retain(|call| call.token != token);
        let pairs: Pairs =
            status.map(|status| (b":status".into(), status.to_string().into())).into_iter().collect();
        let count = pairs.len();
        // Without headers there is no buffer either.
        let body = status.map(|_| body.to_vec());
        let size = body.as_ref().map_or(0, Vec::len);
        host.callout = (HeaderMap { pairs, access: Access::Read }, body);
        (count, size)
    })
}

/// The next queue that calls a VM.
pub(super) fn next_queue_call(vm: u32) -> Option<u32> {
    with(|host| {
        let at = host.queues.iter().position(|queue| queue.vm == vm && queue.calls > 0)?;
        host.queues[at].calls -= 1;
        Some(at as u32)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_register_shared_queue(name: *const u8, size: usize, id: *mut u32) -> u32 {
    let name = unsafe { given(name, size) };
    answer(Call::Queue, |host| {
        unsafe { id.write(host.register_queue(name)) };
        OK
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_enqueue_shared_queue(id: u32, _value: *const u8, _size: usize) -> u32 {
    answer(Call::Queue, |host| match host.queues.get_mut(id as usize) {
        Some(queue) => {
            (queue.values, queue.calls) = (queue.values + 1, queue.calls + 1);
            OK
        }
        None => NOT_FOUND,
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_dequeue_shared_queue(id: u32, data: *mut *mut u8, size: *mut usize) -> u32 {
    answer(Call::Queue, |host| match host.queues.get_mut(id as usize) {
        None => NOT_FOUND,
        Some(queue) if queue.values == 0 => EMPTY,
        Some(queue) => {
            queue.values -= 1;
            unsafe { hand_over(b"1", data, size) }
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_http_call(
    cluster: *const u8,
    cluster_size: usize,
    headers: *const u8,
    headers_size: usize,
    body: *const u8,
    body_size: usize,
    _trailers: *const u8,
    _trailers_size: usize,
    timeout_ms: u32,
    token: *mut u32,
) -> u32 {
    let (cluster, body) = unsafe { (given(cluster, cluster_size), given(body, body_size)) };
    let headers = read_pairs(unsafe { given(headers, headers_size) });
    answer(Call::Dispatch, |host| {
        unsafe { token.write(host.called(cluster, headers, body, timeout_ms)) };
        OK
    })
}
