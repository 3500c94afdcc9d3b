//! Which headers of a request may carry a credential, or belong to one.

/// Headers that may carry a credential. All of them are taken out before the request goes on.
pub const CREDENTIAL_HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// How long their names are, a bit each.
pub(super) const CREDENTIAL_LENGTHS: u64 = {
    let (mut lengths, mut rest) = (0, CREDENTIAL_HEADERS.as_slice());
    while let [name, others @ ..] = rest {
        lengths |= 1 << name.len();
        rest = others;
    }
    lengths
};

/// Whether a header, by its lower-case name, may be or belong to a credential: an AWS signature takes several, one of
/// them a session token.
#[must_use]
pub fn is_credential(name: &[u8]) -> bool {
    credential_header(name).is_some()
        || matches!(name, b"x-amz-security-token" | b"x-amz-date" | b"x-amz-content-sha256")
}

/// Which of [`CREDENTIAL_HEADERS`] a header is, and a bit for it.
#[inline]
pub(super) fn credential_header(name: &[u8]) -> Option<(&'static str, u8)> {
    let number = match name {
        b"authorization" => 0,
        b"x-api-key" => 1,
        b"api-key" => 2,
        b"x-goog-api-key" => 3,
        _ => return None,
    };
    CREDENTIAL_HEADERS.get(number).map(|known| (*known, 1 << number))
}
