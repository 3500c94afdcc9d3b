//! Decides which images are the same for ever: those that are named by their digest.
//!
//! Another image can be pushed under a tag. Then pods of one Deployment run different modules, nobody tested what runs,
//! and going back leads nowhere. So a tag is refused, and what is written without an image names one that nobody has: it
//! does not start, instead of starting something else.

/// Where an image is to be named.
pub(super) const PLACEHOLDER: &str =
    "registry.example.com/farebox@sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// The image `text`, if it is named by its digest.
///
/// # Errors
/// What is wrong with it, for whoever wrote the option.
pub(super) fn pinned(text: &str) -> Result<String, String> {
    if is_pinned(text) {
        return Ok(text.to_owned());
    }
    let message =
        "must be NAME@sha256:DIGEST, as `make image` prints it: another image can be pushed under a tag";
    Err(message.to_owned())
}

/// What is said where an image may have a tag, which somebody else moves or does not.
pub(super) fn note(text: &str) -> &'static str {
    if is_pinned(text) { "" } else { "# A tag can be moved: `--envoy NAME@sha256:DIGEST` cannot." }
}

fn is_pinned(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.split_once("@sha256:").is_some_and(|(name, digest)| {
        !name.is_empty() && !name.contains("://") && digest.len() == 64 && digest.bytes().all(is_digit)
    })
}
