//! The functions of Proxy-Wasm 0.2.1 that the filter imports.
//!
//! Those that only the SDK's own wrappers would call are not here: to call one ends the run, because every call of
//! the filter has to go through `filter/hostcalls/src/lib.rs`.

use wasmi::{Caller, Error, Linker};

use crate::boundary::{Boundary, Inside};
use crate::host::{BAD_ARGUMENT, NOT_FOUND, OK, Pairs, ROOT, Reply, replace};

/// Log levels of the ABI from here on are warnings and errors.
const WARN: u32 = 3;

type Host<'a> = Caller<'a, Inside>;
type Status = Result<u32, Error>;

/// Gives a module what it may import of Envoy.
///
/// # Errors
///
/// A function is defined twice.
#[rustfmt::skip]
pub(crate) fn define(linker: &mut Linker<Inside>) -> Result<(), Error> {
    linker
        .func_wrap("env", "proxy_log", log)?
        .func_wrap("env", "proxy_get_current_time_nanoseconds", clock)?
        .func_wrap("env", "proxy_set_tick_period_milliseconds", tick)?
        .func_wrap("env", "proxy_set_effective_context", enter)?
        .func_wrap("env", "proxy_close_stream", close)?
        .func_wrap("env", "proxy_get_header_map_pairs", headers)?
        .func_wrap("env", "proxy_replace_header_map_value", set_header)?
        .func_wrap("env", "proxy_remove_header_map_value", remove_header)?
        .func_wrap("env", "proxy_get_header_map_value", header)?
        .func_wrap("env", "proxy_add_header_map_value", add_header)?
        .func_wrap("env", "proxy_get_buffer_bytes", buffer)?
        .func_wrap("env", "proxy_set_buffer_bytes", set_buffer)?
        .func_wrap("env", "proxy_get_property", property)?
        .func_wrap("env", "proxy_set_property", set_property)?
        .func_wrap("env", "proxy_get_shared_data", shared)?
        .func_wrap("env", "proxy_set_shared_data", set_shared)?
        .func_wrap("env", "proxy_define_metric", define_metric)?
        .func_wrap("env", "proxy_increment_metric", increment)?
        .func_wrap("env", "proxy_record_metric", record)?
        .func_wrap("env", "proxy_send_local_response", reply)?;
    Ok(())
}

fn log(host: Host<'_>, level: u32, at: u32, size: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_log")?;
    let message = boundary.given(at, size)?;
    if level >= WARN {
        boundary.host(|host| host.warnings.push(String::from_utf8_lossy(&message).into_owned()));
    }
    Ok(OK)
}

fn clock(host: Host<'_>, at: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_get_current_time_nanoseconds")?;
    let now = boundary.host(|host| host.now);
    boundary.write(at, &now.to_le_bytes())?;
    Ok(OK)
}

fn tick(host: Host<'_>, _period: u32) -> Status {
    Boundary::cross(host, "proxy_set_tick_period_milliseconds")?;
    Ok(OK)
}

fn enter(host: Host<'_>, context: u32) -> Status {
    let boundary = Boundary::cross(host, "proxy_set_effective_context")?;
    Ok(boundary.host(|host| {
        if context != ROOT && !host.streams.contains_key(&context) {
            return BAD_ARGUMENT;
        }
        host.current = context;
        OK
    }))
}

fn close(host: Host<'_>, _stream: u32) -> Status {
    Boundary::cross(host, "proxy_close_stream")?;
    Ok(OK)
}

fn headers(host: Host<'_>, map: u32, data: u32, size: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_get_header_map_pairs")?;
    match boundary.host(|host| host.map(map).map(|pairs| write_pairs(pairs))) {
        Some(block) => boundary.hand_over(&block, data, size).map(|()| OK),
        None => Ok(BAD_ARGUMENT),
    }
}

fn header(host: Host<'_>, map: u32, name: u32, name_size: u32, data: u32, size: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_get_header_map_value")?;
    let name = boundary.given(name, name_size)?;
    let value = boundary.host(|host| {
        let pairs = host.map(map)?;
        pairs.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| value.clone())
    });
    match value {
        Some(value) => boundary.hand_over(&value, data, size).map(|()| OK),
        None => Ok(NOT_FOUND),
    }
}

fn set_header(host: Host<'_>, map: u32, name: u32, name_size: u32, value: u32, value_size: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_replace_header_map_value")?;
    let (name, value) = (boundary.given(name, name_size)?, boundary.given(value, value_size)?);
    Ok(boundary.host(|host| match host.map(map) {
        Some(pairs) => {
            replace(pairs, &name, &value);
            OK
        }
        None => BAD_ARGUMENT,
    }))
}

fn add_header(host: Host<'_>, map: u32, name: u32, name_size: u32, value: u32, value_size: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_add_header_map_value")?;
    let (name, value) = (boundary.given(name, name_size)?, boundary.given(value, value_size)?);
    Ok(boundary.host(|host| match host.map(map) {
        Some(pairs) => {
            pairs.push((name, value));
            OK
        }
        None => BAD_ARGUMENT,
    }))
}

fn remove_header(host: Host<'_>, map: u32, name: u32, name_size: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_remove_header_map_value")?;
    let name = boundary.given(name, name_size)?;
    Ok(boundary.host(|host| match host.map(map) {
        Some(pairs) => {
            pairs.retain(|(candidate, _)| *candidate != name);
            OK
        }
        None => BAD_ARGUMENT,
    }))
}

fn buffer(host: Host<'_>, of: u32, start: u32, max: u32, data: u32, size: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_get_buffer_bytes")?;
    let piece = boundary.host(|host| {
        let buffer = host.buffer(of).ok_or(NOT_FOUND)?;
        let end = (start as usize).saturating_add(max as usize).min(buffer.len());
        buffer.get(start as usize..end).map(<[u8]>::to_vec).ok_or(BAD_ARGUMENT)
    });
    match piece {
        Ok(piece) => boundary.hand_over(&piece, data, size).map(|()| OK),
        Err(status) => Ok(status),
    }
}

fn set_buffer(host: Host<'_>, of: u32, start: u32, size: u32, data: u32, data_size: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_set_buffer_bytes")?;
    let data = boundary.given(data, data_size)?;
    Ok(boundary.host(|host| {
        let Some(buffer) = host.buffer(of) else { return NOT_FOUND };
        let start = (start as usize).min(buffer.len());
        let end = start.saturating_add(size as usize).min(buffer.len());
        buffer.splice(start..end, data);
        OK
    }))
}

fn property(host: Host<'_>, path: u32, path_size: u32, data: u32, size: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_get_property")?;
    let path = boundary.given(path, path_size)?;
    match boundary.host(|host| host.property(&path)) {
        Some(value) => boundary.hand_over(&value, data, size).map(|()| OK),
        None => Ok(NOT_FOUND),
    }
}

fn set_property(host: Host<'_>, name: u32, name_size: u32, value: u32, value_size: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_set_property")?;
    let (name, value) = (boundary.given(name, name_size)?, boundary.given(value, value_size)?);
    Ok(boundary.host(|host| match host.stream() {
        Some(stream) => {
            stream.properties.insert([b"wasm.", &*name].concat(), value);
            OK
        }
        None => NOT_FOUND,
    }))
}

fn shared(host: Host<'_>, key: u32, key_size: u32, data: u32, size: u32, version: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_get_shared_data")?;
    let key = boundary.given(key, key_size)?;
    match boundary.host(|host| host.shared(&key)) {
        Some((value, current)) => {
            boundary.hand_over(&value, data, size)?;
            boundary.write(version, &current.to_le_bytes())?;
            Ok(OK)
        }
        None => Ok(NOT_FOUND),
    }
}

fn set_shared(host: Host<'_>, key: u32, key_size: u32, value: u32, value_size: u32, version: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_set_shared_data")?;
    let (key, value) = (boundary.given(key, key_size)?, boundary.given(value, value_size)?);
    Ok(boundary.host(|host| host.share(key, value, version)))
}

fn define_metric(host: Host<'_>, _kind: u32, name: u32, name_size: u32, id: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_define_metric")?;
    let name = boundary.given(name, name_size)?;
    let metric = boundary.host(|host| host.metric(&name));
    boundary.write(id, &metric.to_le_bytes())?;
    Ok(OK)
}

fn increment(host: Host<'_>, metric: u32, by: i64) -> Status {
    let boundary = Boundary::cross(host, "proxy_increment_metric")?;
    if by <= 0 {
        return Ok(BAD_ARGUMENT);
    }
    Ok(boundary.host(|host| host.measure(metric, by.unsigned_abs())))
}

fn record(host: Host<'_>, metric: u32, value: u64) -> Status {
    let boundary = Boundary::cross(host, "proxy_record_metric")?;
    Ok(boundary.host(|host| host.measure(metric, value)))
}

#[allow(clippy::too_many_arguments, reason = "the ABI has as many")]
fn reply(
    host: Host<'_>,
    status: u32,
    details: u32,
    details_size: u32,
    body: u32,
    body_size: u32,
    headers: u32,
    headers_size: u32,
    _grpc_status: i32,
) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_send_local_response")?;
    let (details, body) = (boundary.given(details, details_size)?, boundary.given(body, body_size)?);
    let headers = boundary.given(headers, headers_size)?;
    let headers =
        read_pairs(&headers).ok_or_else(|| Error::new("a reply has a block of headers that is cut short"))?;
    Ok(boundary.host(|host| match host.stream() {
        Some(stream) => {
            stream.reply = Some(Reply { status, details, headers, body });
            OK
        }
        None => BAD_ARGUMENT,
    }))
}

/// Writes the ABI's form of a header map: a count, the sizes of every name and value, then every name and value
/// with a NUL behind it.
fn write_pairs(pairs: &Pairs) -> Vec<u8> {
    let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut block = size(pairs.len()).to_vec();
    for (name, value) in pairs {
        block.extend(size(name.len()));
        block.extend(size(value.len()));
    }
    for (name, value) in pairs {
        block.extend([name, &b"\0"[..], value, &b"\0"[..]].concat());
    }
    block
}

/// Reads the same; `None` if it is cut short.
fn read_pairs(block: &[u8]) -> Option<Pairs> {
    let word = |at: usize| Some(u32::from_le_bytes(block.get(at..at + 4)?.try_into().ok()?) as usize);
    let count = word(0)?;
    let mut at = 4 + count * 8;
    let mut take = |size: usize| {
        let text = block.get(at..at + size)?.to_vec();
        at += size + 1;
        Some(text)
    };
    (0..count).map(|pair| Some((take(word(4 + pair * 8)?)?, take(word(8 + pair * 8)?)?))).collect()
}

#[cfg(test)]
mod tests;
