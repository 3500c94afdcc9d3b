//! Decides where a provider listens, for the tool that writes Envoy's bootstrap.
//!
//! Does not look names up and does not balance: Envoy does. The filter has no use for any of it.

use super::cursor::Cursor;
use crate::config::Endpoint;

const WANTED: &str =
    "must be http:// or https:// with a host and an optional port, without a path, like http://10.0.0.5:8000";

impl Endpoint {
    /// Its host, and its port where that is not the usual one: what a client of it names as the host.
    #[must_use]
    pub fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_string() };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

/// The endpoints that are written.
pub(super) fn read(at: &Cursor<'_>) -> Vec<Endpoint> {
    let items = at.items();
    if items.as_ref().is_some_and(Vec::is_empty) {
        at.fail("must have at least one endpoint");
    }
    items.unwrap_or_default().iter().filter_map(read_endpoint).collect()
}

/// The one endpoint of a provider of which only the host is known; none if nothing can listen at that name.
pub(super) fn of_host(host: &str) -> Vec<Endpoint> {
    parse(&["https://", host].concat()).into_iter().collect()
}

fn read_endpoint(at: &Cursor<'_>) -> Option<Endpoint> {
    let endpoint = parse(at.text()?);
    if endpoint.is_none() {
        at.fail(WANTED);
    }
    endpoint
}

fn parse(text: &str) -> Option<Endpoint> {
    let (tls, host, port) = parse_as(text, [("http", 80), ("https", 443)])?;
    Some(Endpoint { tls, host: host.into(), port })
}

/// Whether it speaks TLS, its host and its port. `schemes`: the one without TLS and the one with it, each with its usual port.
pub(super) fn parse_as<'t>(text: &'t str, schemes: [(&str, u16); 2]) -> Option<(bool, &'t str, u16)> {
    let (scheme, authority) = text.split_once("://")?;
    let tls = schemes.iter().position(|(known, _)| *known == scheme)?;
    let (_, usual) = *schemes.get(tls)?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            is_address(host).then_some((host, port))?
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            is_name(host).then_some((host, port))?
        }
    };
    let port = if port.is_empty() { usual } else { read_port(port.strip_prefix(':')?)? };
    Some((tls == 1, host, port))
}

fn is_name(host: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=253).contains(&host.len()) && host.bytes().all(fits)
}

/// Whether `host` has the characters of an address of IPv6.
fn is_address(host: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_hexdigit() || b":.".contains(&byte);
    (2..=45).contains(&host.len()) && host.bytes().all(fits)
}

/// A port without leading zeros.
fn read_port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn an_endpoint_is_a_scheme_a_host_and_a_port() {
        for (text, tls, host, port) in [
            ("https://api.openai.com", true, "api.openai.com", 443),
            ("http://10.0.0.5:8000", false, "10.0.0.5", 8_000),
            ("http://vllm", false, "vllm", 80),
            ("https://[2001:db8::1]:65535", true, "2001:db8::1", 65_535),
            ("http://[::1]", false, "::1", 80),
        ] {
            assert_eq!(parse(text), Some(Endpoint { tls, host: host.into(), port }), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_endpoint() {
        let long = format!("https://{}", "a".repeat(254));
        for text in [
            "",
            "api.openai.com",
            "ftp://a",
            "HTTPS://a",
            "https://",
            "https://a/",
            "https://a/v1",
            "https://a?b",
            "https://user@a",
            "https://a:",
            "https://a:0",
            "https://a:+80",
            "https://a:080",
            "https://a:65536",
            "https://a:b",
            "https://[::1",
            "https://[::1]x",
            "https://[]",
            "https://::1",
            "https://a b",
            &long,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
