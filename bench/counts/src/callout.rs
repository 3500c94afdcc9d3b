//! The functions of Proxy-Wasm for calls to other clusters and for queues, and a ledger that lends what nobody uses up.
//!
//! A queue calls its VM in the next turn, and an answer comes when `envoy.rs` lets it: see `Envoy::turn`.

use wasmi::{Caller, Error, Linker};

use crate::boundary::{Boundary, Inside};
use crate::host::{NOT_FOUND, OK};

/// What a queue without a value says.
const EMPTY: u32 = 7;
/// What every account is lent, and what is spent of it: nano-dollars, tokens in and out, requests.
const LENT: &str =
    "0 0 0 1000000000000 1000000000 1000000000 1000000 1 1 1 1 1000000000000 1000000000 1000000000 1000000";

type Host<'a> = Caller<'a, Inside>;
type Status = Result<u32, Error>;

/// Gives a module what it may import of Envoy for this.
///
/// # Errors
///
/// A function is defined twice.
pub(crate) fn define(linker: &mut Linker<Inside>) -> Result<(), Error> {
    linker
        .func_wrap("env", "proxy_register_shared_queue", register)?
        .func_wrap("env", "proxy_enqueue_shared_queue", enqueue)?
        .func_wrap("env", "proxy_dequeue_shared_queue", dequeue)?
        .func_wrap("env", "proxy_continue_stream", resume)?
        .func_wrap("env", "proxy_http_call", call)?;
    Ok(())
}

/// There is one queue: that of the only worker.
fn register(host: Host<'_>, name: u32, size: u32, id: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_register_shared_queue")?;
    boundary.given(name, size)?;
    boundary.write(id, &1_u32.to_le_bytes())?;
    Ok(OK)
}

fn enqueue(host: Host<'_>, _id: u32, value: u32, size: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_enqueue_shared_queue")?;
    let value = boundary.given(value, size)?;
    boundary.host(|host| host.queued.push(value));
    Ok(OK)
}

fn dequeue(host: Host<'_>, _id: u32, data: u32, size: u32) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_dequeue_shared_queue")?;
    match boundary.host(|host| host.queued.pop()) {
        Some(value) => boundary.hand_over(&value, data, size).map(|()| OK),
        None => Ok(EMPTY),
    }
}

fn resume(host: Host<'_>, _stream: u32) -> Status {
    let boundary = Boundary::cross(host, "proxy_continue_stream")?;
    Ok(boundary.host(|host| match host.stream() {
        Some(stream) => {
            stream.resumed = true;
            OK
        }
        None => NOT_FOUND,
    }))
}

#[allow(clippy::too_many_arguments, reason = "the ABI has as many")]
fn call(
    host: Host<'_>,
    cluster: u32,
    cluster_size: u32,
    headers: u32,
    headers_size: u32,
    body: u32,
    body_size: u32,
    _trailers: u32,
    _trailers_size: u32,
    _timeout: u32,
    token: u32,
) -> Status {
    let mut boundary = Boundary::cross(host, "proxy_http_call")?;
    boundary.given(cluster, cluster_size)?;
    boundary.given(headers, headers_size)?;
    let body = boundary.given(body, body_size)?;
    let number = boundary.host(|host| {
        host.last_call += 1;
        host.calls.push((host.last_call, body));
        host.last_call
    });
    boundary.write(token, &number.to_le_bytes())?;
    Ok(OK)
}

/// What a registry answers to these bytes: the key `demo` with this hash, and after that nothing new. `None`: it is not
/// asked.
pub(crate) fn list(asked: &[u8], sha256: &str) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(asked);
    let (_, since) = text.split_once(":{registry}:meta\r\n")?;
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let head = [bulk("7"), bulk("0")].concat();
    if !since.starts_with("$1\r\n0\r\n") {
        return Some(format!("*5\r\n{head}:0\r\n:1\r\n:0\r\n").into_bytes());
    }
    let entry = format!(r#"{{"sha256":[{{"sha256":"{sha256}"}}],"team":"search"}}"#);
    let listed = [bulk("key/demo"), bulk("7"), bulk(&entry)].concat();
    Some(format!("*8\r\n{head}:0\r\n:1\r\n:3\r\n{listed}").into_bytes())
}

/// What a ledger answers to these bytes at this time; `None` if they are no call of its script.
pub(crate) fn lend(asked: &[u8], now_ms: u64) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(asked);
    let (_, call) = text.rsplit_once("EVALSHA\r\n")?;
    // The hash, and the number of keys, each behind its length. The first key is no account.
    let keys: usize = call.split("\r\n").nth(3)?.parse().ok()?;
    let accounts = keys.checked_sub(1)?;
    let mut reply = format!("*{}\r\n:{now_ms}\r\n:1\r\n:0\r\n", 3 + accounts);
    (0..accounts).for_each(|_| reply.push_str(&format!("${}\r\n{LENT}\r\n", LENT.len())));
    Some(reply.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_answers_for_every_account_that_it_is_asked_for() {
        let asked = b"*6\r\n$7\r\nEVALSHA\r\n$2\r\nab\r\n$1\r\n3\r\n$1\r\nm\r\n$1\r\na\r\n$1\r\nb\r\n";
        let answer = String::from_utf8(lend(asked, 7).unwrap()).unwrap();
        assert!(
            answer.starts_with("*5\r\n:7\r\n:1\r\n:0\r\n") && answer.matches(LENT).count() == 2,
            "{answer}"
        );
        assert_eq!(lend(b"PING", 7), None);
    }
}
