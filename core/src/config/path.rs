//! Decides how a place in the document is written: `budgets[0].limit_usd`, `models["gpt-*"][0]`.

/// The path of the member `key` of the object at `path`.
#[must_use]
pub fn member(path: &str, key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if key.is_empty() || !key.bytes().all(plain) {
        return format!("{path}[{}]", serde_json::Value::from(key));
    }
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The path of the item `index` of the list at `path`.
#[must_use]
pub fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
