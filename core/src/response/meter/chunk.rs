//! Decides what is in a message of InvokeModel: JSON, in base64, in JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Largest message of which base64 is undone. The last one, which has the numbers, is below a kilobyte.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// What is in the `bytes` of a chunk. `None` if it is too long or no such chunk; an exception has none.
pub(super) fn inside_chunk(chunk: &[u8]) -> Option<Vec<u8>> {
    const NAME: &[u8] = b"\"bytes\"";
    if chunk.len() > CHUNK_BYTES {
        return None;
    }
    let Some(at) = memchr::memmem::find(chunk, NAME) else {
        return Some(chunk.to_vec());
    };
    let rest = chunk.get(at + NAME.len()..)?.trim_ascii_start().strip_prefix(b":")?;
    let rest = rest.trim_ascii_start().strip_prefix(b"\"")?;
    STANDARD.decode(rest.get(..memchr::memchr(b'"', rest)?)?).ok()
}
