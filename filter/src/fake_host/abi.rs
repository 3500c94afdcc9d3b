//! The functions that Envoy offers to a Proxy-Wasm filter, as symbols for the linker.
//!
//! Those that only the SDK's own wrappers would call are here as well, since its default methods are
//! linked; they end the test, because every call of the filter has to go through `farebox-hostcalls`.

use core::ptr::null_mut;

use super::{Access, BAD_ARGUMENT, BEFORE_WRITE, Call, HOST, HeaderMap, Host, LocalReply, Metric, Pairs};
use super::{NOT_FOUND, OK, answer, with};

/// Bytes that the filter passes.
pub(super) unsafe fn given<'a>(data: *const u8, size: usize) -> &'a [u8] {
    // SAFETY: the caller has them from the filter, which passes live slices.
    if size == 0 { &[] } else { unsafe { core::slice::from_raw_parts(data, size) } }
}

/// Hands bytes over as the host does: in a block of exactly that size, which the filter then owns.
pub(super) unsafe fn hand_over(value: &[u8], data: *mut *mut u8, size: *mut usize) -> u32 {
    let length = value.len();
    let block = if length == 0 { null_mut() } else { Box::into_raw(Box::<[u8]>::from(value)).cast() };
    // SAFETY: the filter passes pointers to live locals.
    unsafe { (data.write(block), size.write(length)) };
    OK
}

fn map(host: &mut Host, map: u32) -> Option<&mut HeaderMap> {
    if map == 6 {
        return Some(&mut host.callout.0);
    }
    let stream = host.stream()?;
    match map {
        0 => Some(&mut stream.request),
        2 => Some(&mut stream.response),
        _ => None,
    }
}

fn writable(host: &mut Host, of: u32) -> Option<&mut Pairs> {
    map(host, of).filter(|map| map.access == Access::Write).map(|map| &mut map.pairs)
}

fn buffer(host: &mut Host, buffer: u32) -> Option<&mut Vec<u8>> {
    match buffer {
        0 => host.stream()?.request_body.as_mut(),
        1 => host.stream()?.response_body.as_mut(),
        4 => host.callout.1.as_mut(),
        6 => Some(&mut host.vm_configuration),
        7 => Some(&mut host.configuration),
        _ => None,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_log(_level: u32, message: *const u8, size: usize) -> u32 {
    let message = String::from_utf8_lossy(unsafe { given(message, size) }).into_owned();
    // A panic is reported while the host may be busy; it must not become two.
    HOST.with(|host| host.try_borrow_mut().map(|mut host| host.logs.push(message)).ok());
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32 {
    answer(Call::Clock, |host| {
        unsafe { time.write(host.now_ms * 1_000_000) };
        OK
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_set_tick_period_milliseconds(period: u32) -> u32 {
    answer(Call::Tick, |host| {
        host.tick_ms = Some(period);
        OK
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_close_stream(_stream: u32) -> u32 {
    answer(Call::Close, |host| match host.stream() {
        Some(stream) => {
            stream.closed = true;
            OK
        }
        None => BAD_ARGUMENT,
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_continue_stream(_stream: u32) -> u32 {
    answer(Call::Resume, |host| match host.stream() {
        Some(stream) => {
            stream.resumed = true;
            OK
        }
        None => BAD_ARGUMENT,
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_set_effective_context(context: u32) -> u32 {
    answer(Call::Enter, |host| {
        if host.streams.get(&context).is_none_or(|stream| stream.gone) {
            return BAD_ARGUMENT;
        }
        host.current = context;
        OK
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_header_map_pairs(of: u32, data: *mut *mut u8, size: *mut usize) -> u32 {
    answer(Call::GetHeaders, |host| {
        let Some(map) = map(host, of).filter(|map| map.access != Access::None) else { return BAD_ARGUMENT };
        unsafe { hand_over(&write_pairs(&map.pairs), data, size) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_replace_header_map_value(
    of: u32,
    name: *const u8,
    name_size: usize,
    value: *const u8,
    value_size: usize,
) -> u32 {
    let (name, value) = unsafe { (given(name, name_size), given(value, value_size)) };
    answer(Call::ReplaceHeader, |host| {
        let Some(pairs) = writable(host, of) else { return BAD_ARGUMENT };
        let mut kept = false;
        pairs.retain_mut(|(candidate, current)| {
            if candidate != name {
                return true;
            }
            *current = value.to_vec();
            !core::mem::replace(&mut kept, true)
        });
        if !kept {
            pairs.push((name.to_vec(), value.to_vec()));
        }
        OK
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_remove_header_map_value(of: u32, name: *const u8, name_size: usize) -> u32 {
    let name = unsafe { given(name, name_size) };
    answer(Call::RemoveHeader, |host| {
        let Some(pairs) = writable(host, of) else { return BAD_ARGUMENT };
        pairs.retain(|(candidate, _)| candidate != name);
        OK
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_buffer_bytes(
    of: u32,
    start: usize,
    max: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    answer(Call::GetBuffer, |host| {
        let Some(buffer) = buffer(host, of) else { return NOT_FOUND };
        let end = start.saturating_add(max).min(buffer.len());
        buffer.get(start..end).map_or(BAD_ARGUMENT, |piece| unsafe { hand_over(piece, data, size) })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_buffer_bytes(
    of: u32,
    start: usize,
    size: usize,
    data: *const u8,
    data_size: usize,
) -> u32 {
    let data = unsafe { given(data, data_size) };
    answer(Call::SetBuffer, |host| {
        let Some(buffer) = buffer(host, of) else { return NOT_FOUND };
        if start != 0 || size < buffer.len() {
            return BAD_ARGUMENT;
        }
        *buffer = data.to_vec();
        OK
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_property(
    path: *const u8,
    path_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    let path = unsafe { given(path, path_size) };
    let path = path.strip_prefix(b"filter_state\0").unwrap_or(path);
    if let Some(number) = path.strip_prefix(b"xds\0node\0user_agent_build_version\0version\0") {
        return answer(Call::GetProperty, |host| match (number, host.version) {
            (b"major_number", Some((major, _))) => unsafe { hand_over(&major.to_le_bytes(), data, size) },
            (b"minor_number", Some((_, minor))) => unsafe { hand_over(&minor.to_le_bytes(), data, size) },
            _ => NOT_FOUND,
        });
    }
    answer(Call::GetProperty, |host| match host.stream().and_then(|stream| stream.properties.get(path)) {
        Some(value) => unsafe { hand_over(value, data, size) },
        None => NOT_FOUND,
    })
}

/// What the filter sets becomes filter state: it can be read again under `wasm.` and its name.
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_property(
    name: *const u8,
    name_size: usize,
    value: *const u8,
    value_size: usize,
) -> u32 {
    let (name, value) = unsafe { (given(name, name_size), given(value, value_size)) };
    answer(Call::SetProperty, |host| {
        let Some(stream) = host.stream() else { return NOT_FOUND };
        stream.properties.insert([b"wasm.", name].concat(), value.to_vec());
        OK
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_shared_data(
    key: *const u8,
    key_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
    cas: *mut u32,
) -> u32 {
    let key = unsafe { given(key, key_size) };
    answer(Call::GetShared, |host| {
        let Some((value, version)) = host.shared.get(key) else { return NOT_FOUND };
        unsafe { (cas.write(*version), hand_over(value, data, size)).1 }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_shared_data(
    key: *const u8,
    key_size: usize,
    value: *const u8,
    value_size: usize,
    cas: u32,
) -> u32 {
    let (key, value) = unsafe { (given(key, key_size), given(value, value_size)) };
    if let Some(act) = BEFORE_WRITE.take() {
        let current = with(|host| host.current);
        act();
        with(|host| host.current = current);
    }
    answer(Call::SetShared, |host| host.put(key, value, cas))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32 {
    let name = String::from_utf8_lossy(unsafe { given(name, name_size) }).into_owned();
    answer(Call::DefineMetric, |host| {
        let known = host.metrics.iter().position(|metric| metric.name == name);
        let at = known.unwrap_or_else(|| {
            host.metrics.push(Metric { name, counter: kind == 0, values: Vec::new() });
            host.metrics.len() - 1
        });
        unsafe { id.write(at as u32) };
        OK
    })
}

fn count(id: u32, value: u64, counter: bool) -> u32 {
    answer(Call::Count, |host| match host.metrics.get_mut(id as usize) {
        Some(metric) if metric.counter == counter => {
            metric.values.push(value);
            OK
        }
        _ => BAD_ARGUMENT,
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_increment_metric(id: u32, offset: i64) -> u32 {
    if offset <= 0 { BAD_ARGUMENT } else { count(id, offset.unsigned_abs(), true) }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_record_metric(id: u32, value: u64) -> u32 {
    count(id, value, false)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_send_local_response(
    status: u32,
    details: *const u8,
    details_size: usize,
    body: *const u8,
    body_size: usize,
    headers: *const u8,
    headers_size: usize,
    _grpc_status: i32,
) -> u32 {
    let (details, body) = unsafe { (given(details, details_size), given(body, body_size)) };
    let headers = read_pairs(unsafe { given(headers, headers_size) });
    answer(Call::Reply, |host| {
        let Some(stream) = host.stream() else { return BAD_ARGUMENT };
        let details = String::from_utf8_lossy(details).into_owned();
        stream.asked_replies.push(LocalReply { status, details, headers, body: body.to_vec() });
        OK
    })
}

/// Writes the ABI's form of a header map.
fn write_pairs(pairs: &Pairs) -> Vec<u8> {
    let mut block = (pairs.len() as u32).to_le_bytes().to_vec();
    for (name, value) in pairs {
        block.extend((name.len() as u32).to_le_bytes());
        block.extend((value.len() as u32).to_le_bytes());
    }
    for (name, value) in pairs {
        block.extend([name, &b"\0"[..], value, &b"\0"[..]].concat());
    }
    block
}

/// Reads the ABI's form of a header map; one that is cut short ends the test.
pub(super) fn read_pairs(block: &[u8]) -> Pairs {
    let word = |at: usize| u32::from_le_bytes(block[at..at + 4].try_into().unwrap()) as usize;
    let mut at = 4 + word(0) * 8;
    let mut take = |size: usize| {
        assert_eq!(block[at + size], 0);
        at += size + 1;
        block[at - size - 1..at - 1].to_vec()
    };
    (0..word(0)).map(|pair| (take(word(4 + pair * 8)), take(word(8 + pair * 8)))).collect()
}

/// Functions that the filter must not call.
macro_rules! not_for_the_filter {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> u32 {
            eprintln!("{} was called, which is not in farebox-hostcalls", stringify!($name));
            std::process::abort();
        }
    )*};
}

not_for_the_filter! {
    proxy_add_header_map_value
    proxy_call_foreign_function
    proxy_done
    proxy_get_header_map_value
    proxy_get_log_level
    proxy_get_metric
    proxy_get_status
    proxy_grpc_call
    proxy_grpc_cancel
    proxy_grpc_close
    proxy_grpc_send
    proxy_grpc_stream
    proxy_resolve_shared_queue
    proxy_set_header_map_pairs
}
