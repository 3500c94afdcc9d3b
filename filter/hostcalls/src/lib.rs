//! Decides how Envoy is called: every hostcall of the filter is here, and every one can fail.
//!
//! The SDK's own wrappers panic on a status they do not expect and on a header that is not UTF-8, and a
//! panic ends every stream of the worker. These return the host's status as an error and hand out bytes.
//! The ABI is Proxy-Wasm 0.2.1; what Envoy hands over was allocated by the SDK's
//! `proxy_on_memory_allocate`, as a `Vec<u8>`.
//!
//! Does not decide anything about a request.

#![allow(unsafe_code, reason = "calls into the host are foreign function calls")]

pub mod callout;
pub mod evidence;
pub mod filter_state;
mod pairs;
pub mod queue;
pub mod shared_store;

use core::fmt;
use core::ptr::{null, null_mut};
use std::borrow::Cow;

use farebox_core::accounting::metrics::{MetricKind, Metrics, Statistics};
use farebox_core::base::headers::{EditHeaders, RequestHead};
use farebox_core::base::window::Millis;
use farebox_core::request::upstream::Unaddressed;

use pairs::{read_pairs, write_pairs};

/// A status other than OK that the host answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostError(pub u32);

impl HostError {
    /// There is no such thing.
    pub const NOT_FOUND: Self = Self(1);
    /// What was asked for cannot be.
    pub const BAD_ARGUMENT: Self = Self(2);
    /// Somebody else wrote in between.
    pub const CAS_MISMATCH: Self = Self(8);
    /// It cannot be done now.
    pub const INTERNAL_FAILURE: Self = Self(10);
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host status {}", self.0)
    }
}

impl From<Unaddressed<Self>> for HostError {
    fn from(error: Unaddressed<Self>) -> Self {
        match error {
            Unaddressed::NoPlace => Self::NOT_FOUND,
            Unaddressed::Header(error) => error,
        }
    }
}

/// What a call came to.
pub type Result<T> = core::result::Result<T, HostError>;

/// A header map of the current stream.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub enum Map {
    /// Of the request.
    Request = 0,
    /// Of its answer.
    Response = 2,
    /// Of the answer to a call that was made here.
    Callout = 6,
}

impl EditHeaders for Map {
    type Error = HostError;

    fn set(&mut self, name: &str, value: &[u8]) -> Result<()> {
        set_header(*self, name, value)
    }

    fn remove(&mut self, name: &[u8]) -> Result<()> {
        remove_header(*self, name)
    }
}

/// A body, or a configuration.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub enum Buffer {
    /// What of the request's body is here, or the piece that a callback is about.
    RequestBody = 0,
    /// The same of its answer.
    ResponseBody = 1,
    /// Of the answer to a call that was made here.
    CalloutBody = 4,
    /// The VM's.
    VmConfiguration = 6,
    /// The filter's.
    PluginConfiguration = 7,
}

mod abi {
    #[rustfmt::skip]
    unsafe extern "C" {
        pub(super) fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
        pub(super) fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub(super) fn proxy_set_effective_context(context: u32) -> u32;
        pub(super) fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_replace_header_map_value(map: u32, key: *const u8, key_size: usize, value: *const u8, value_size: usize) -> u32;
        pub(super) fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
        pub(super) fn proxy_get_buffer_bytes(buffer: u32, start: usize, max: usize, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_set_buffer_bytes(buffer: u32, start: usize, size: usize, data: *const u8, data_size: usize) -> u32;
        pub(super) fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
        pub(super) fn proxy_get_shared_data(key: *const u8, key_size: usize, data: *mut *mut u8, size: *mut usize, cas: *mut u32) -> u32;
        pub(super) fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, value_size: usize, cas: u32) -> u32;
        pub(super) fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
        pub(super) fn proxy_increment_metric(id: u32, offset: i64) -> u32;
        pub(super) fn proxy_record_metric(id: u32, value: u64) -> u32;
        pub(super) fn proxy_close_stream(stream: u32) -> u32;
        pub(super) fn proxy_continue_stream(stream: u32) -> u32;
        pub(super) fn proxy_register_shared_queue(name: *const u8, name_size: usize, id: *mut u32) -> u32;
        pub(super) fn proxy_enqueue_shared_queue(id: u32, value: *const u8, value_size: usize) -> u32;
        pub(super) fn proxy_dequeue_shared_queue(id: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_send_local_response(status: u32, details: *const u8, details_size: usize, body: *const u8, body_size: usize, headers: *const u8, headers_size: usize, grpc_status: i32) -> u32;
    }
}

fn ok(status: u32) -> Result<()> {
    if status == 0 { Ok(()) } else { Err(HostError(status)) }
}

/// Runs a hostcall that hands over bytes. Inlined, as what asks for a buffer is: each piece of a stream does, and the
/// compiler leaves it be across crates.
#[inline]
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    ok(call(&raw mut data, &raw mut size))?;
    if data.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the host filled a block that it got from `proxy_on_memory_allocate(size)`, which leaks a
    // `Vec` of that capacity, and it keeps no reference to it.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// The time of day.
pub fn now() -> Millis {
    let mut nanoseconds = 0;
    // SAFETY: the pointer is to a live u64. The call has no other way to fail.
    unsafe { abi::proxy_get_current_time_nanoseconds(&raw mut nanoseconds) };
    Millis(nanoseconds / 1_000_000)
}

/// Has `on_tick` called every `ms` milliseconds.
pub fn tick_every(ms: u32) -> Result<()> {
    // SAFETY: no pointers.
    ok(unsafe { abi::proxy_set_tick_period_milliseconds(ms) })
}

/// Makes the calls that follow concern the stream `context`.
pub fn enter(context: u32) -> Result<()> {
    // SAFETY: no pointers.
    ok(unsafe { abi::proxy_set_effective_context(context) })
}

/// All headers of a map, in order, as bytes.
pub fn headers(map: Map) -> Result<RequestHead> {
    // SAFETY: `bytes` passes pointers to live locals.
    let block = bytes(|data, size| unsafe { abi::proxy_get_header_map_pairs(map as u32, data, size) })?;
    let pairs = read_pairs(&block).unwrap_or_default();
    Ok(RequestHead::in_block(block, pairs))
}

/// Sets a header to one value, whatever it was.
pub fn set_header(map: Map, name: &str, value: &[u8]) -> Result<()> {
    // SAFETY: pointers and sizes of live slices.
    ok(unsafe {
        abi::proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// Removes every header of this name.
pub fn remove_header(map: Map, name: &[u8]) -> Result<()> {
    // SAFETY: pointer and size of a live slice.
    ok(unsafe { abi::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// Up to `max` bytes of a buffer from `start`; empty if there is nothing.
#[inline]
pub fn buffer(buffer: Buffer, start: usize, max: usize) -> Result<Vec<u8>> {
    // SAFETY: `bytes` passes pointers to live locals.
    match bytes(|data, size| unsafe { abi::proxy_get_buffer_bytes(buffer as u32, start, max, data, size) }) {
        Err(HostError::NOT_FOUND) => Ok(Vec::new()),
        other => other,
    }
}

/// Replaces a whole buffer.
pub fn set_buffer(buffer: Buffer, data: &[u8]) -> Result<()> {
    // SAFETY: pointer and size of a live slice.
    ok(unsafe { abi::proxy_set_buffer_bytes(buffer as u32, 0, usize::MAX, data.as_ptr(), data.len()) })
}

/// A property of the stream, by its path joined with NUL.
pub fn property(path: &str) -> Result<Vec<u8>> {
    // SAFETY: pointer and size of a live slice; `bytes` passes pointers to live locals.
    bytes(|data, size| unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// A value of the stream's filter state that was put there as `wasm.<name>`.
pub fn filter_state(name: &str) -> Result<Vec<u8>> {
    property(&["filter_state\0wasm.", name].concat())
}

/// A numeric property; `None` if it is not there.
pub fn number_property(path: &str) -> Option<u64> {
    property(path).ok()?.try_into().ok().map(u64::from_le_bytes)
}

/// Puts a value into the stream's filter state, as `wasm.<name>`.
pub fn set_property(name: &str, value: &[u8]) -> Result<()> {
    // SAFETY: pointers and sizes of live slices.
    ok(unsafe { abi::proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// A shared value with its version.
pub fn shared_data(key: &str) -> Result<(Vec<u8>, u32)> {
    let mut cas = 0;
    // SAFETY: pointer and size of a live slice; pointers to live locals.
    let value = bytes(|data, size| unsafe {
        abi::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas)
    })?;
    Ok((value, cas))
}

/// Writes a shared value if it is still at version `cas`. Zero writes whatever it is at.
pub fn set_shared_data(key: &str, value: &[u8], cas: u32) -> Result<()> {
    // SAFETY: pointers and sizes of live slices.
    ok(unsafe { abi::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) })
}

/// The statistics of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessStatistics;

/// Metrics that are counted there.
pub type ProcessMetrics = Metrics<ProcessStatistics>;

impl Statistics for ProcessStatistics {
    fn define(&self, kind: MetricKind, name: &str) -> Option<u32> {
        let kind = match kind {
            MetricKind::Counter => 0,
            MetricKind::Gauge => 1,
            MetricKind::Histogram => 2,
        };
        let mut id = 0;
        // SAFETY: pointer and size of a live slice; pointer to a live local.
        ok(unsafe { abi::proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) }).ok()?;
        Some(id)
    }

    /// Adding nothing is not a call: the host refuses zero.
    fn increment(&self, id: u32, by: u64) {
        if by > 0 {
            // SAFETY: no pointers. A metric that cannot be counted must not fail a request.
            unsafe { abi::proxy_increment_metric(id, i64::try_from(by).unwrap_or(i64::MAX)) };
        }
    }

    fn record(&self, id: u32, value: u64) {
        // SAFETY: no pointers. A metric that cannot be counted must not fail a request.
        unsafe { abi::proxy_record_metric(id, value) };
    }
}

/// Answers the client in place of a provider. `details` shows in the access log as `%RESPONSE_CODE_DETAILS%`.
pub fn reply(
    status: u16,
    details: &str,
    headers: &[(&'static str, Cow<'static, str>)],
    body: &str,
) -> Result<()> {
    let block = write_pairs(headers);
    // SAFETY: pointers and sizes of live slices.
    ok(unsafe {
        abi::proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            if body.is_empty() { null() } else { body.as_ptr() },
            body.len(),
            block.as_ptr(),
            block.len(),
            -1,
        )
    })
}

/// Lets a request go on that is held, with its headers and its body as they are now. It goes when the callback has ended.
pub fn resume_request() -> Result<()> {
    const REQUEST: u32 = 0;
    // SAFETY: no pointers.
    ok(unsafe { abi::proxy_continue_stream(REQUEST) })
}

/// Bits that no other worker and no other Envoy has.
pub fn random() -> Result<u64> {
    getrandom::u64().map_err(|_| HostError::INTERNAL_FAILURE)
}

/// Closes the stream to the client and the one to the provider, whatever is on its way.
pub fn close_response() {
    const RESPONSE: u32 = 1;
    // SAFETY: no pointers. A stream that cannot be closed has ended.
    unsafe { abi::proxy_close_stream(RESPONSE) };
}

/// Closes the stream to the provider.
pub fn close_request() {
    const REQUEST: u32 = 0;
    // SAFETY: no pointers. A stream that cannot be closed has ended.
    unsafe { abi::proxy_close_stream(REQUEST) };
}
