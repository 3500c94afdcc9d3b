//! Decides where a body in chunks ends (RFC 9112, section 7.1), without keeping it: for a generator of load every
//! copy of a byte is time that it takes away from what it measures.
//!
//! Does not accept extensions of chunks with quotes in them, nor interpret trailers.

/// Reads chunks piece by piece.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chunked {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the line with the size; the size so far, and whether its digits have ended.
    Size(usize, bool),
    /// In the data; bytes to come.
    Data(usize),
    /// Behind the data; bytes to come of the line break.
    Break(u8),
    /// Behind the last chunk; bytes of the present line.
    Trailer(usize),
    Done,
}

impl Default for State {
    fn default() -> Self {
        Self::Size(0, false)
    }
}

/// The bytes are no chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoChunk;

impl Chunked {
    /// Whether the last chunk and its trailers have been read.
    pub(crate) fn done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads on; `data` gets the pieces of the body. Returns how many bytes belong to it.
    ///
    /// # Errors
    /// [`NoChunk`]
    pub(crate) fn feed(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<usize, NoChunk> {
        let mut rest = bytes;
        while let Some((&first, behind)) = rest.split_first() {
            self.state = match (self.state, first) {
                (State::Done, _) => break,
                (State::Data(left), _) => {
                    let (piece, behind) = rest.split_at_checked(left).unwrap_or((rest, &[]));
                    data(piece);
                    rest = behind;
                    let left = left - piece.len();
                    self.state = if left == 0 { State::Break(2) } else { State::Data(left) };
                    continue;
                }
                (State::Size(0, true), b'\n') => State::Trailer(0),
                (State::Size(size, true), b'\n') => State::Data(size),
                (State::Size(size, _), b'\r' | b';') => State::Size(size, true),
                (State::Size(size, true), _) => State::Size(size, true),
                (State::Size(size, false), digit) => {
                    let digit = (digit as char).to_digit(16).ok_or(NoChunk)?;
                    let size = size.checked_mul(16).ok_or(NoChunk)? + digit as usize;
                    State::Size(size, false)
                }
                (State::Break(2), b'\r') => State::Break(1),
                (State::Break(1), b'\n') => State::default(),
                (State::Break(_), _) => return Err(NoChunk),
                (State::Trailer(0), b'\n') => State::Done,
                (State::Trailer(length), b'\r') => State::Trailer(length),
                (State::Trailer(_), b'\n') => State::Trailer(0),
                (State::Trailer(length), _) => State::Trailer(length + 1),
            };
            rest = behind;
        }
        Ok(bytes.len() - rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<(Vec<u8>, usize, bool), NoChunk> {
        let mut chunked = Chunked::default();
        let mut body = Vec::new();
        let mut used = 0;
        for piece in pieces {
            used += chunked.feed(piece, |data| body.extend_from_slice(data))?;
        }
        Ok((body, used, chunked.done()))
    }

    const WHOLE: &[u8] = b"4\r\nWiki\r\n10;name=value\r\n0123456789abcdef\r\n0\r\nx: y\r\n\r\n";

    #[test]
    fn a_body_is_the_same_however_it_is_cut() {
        let whole = read(&[WHOLE]).unwrap();
        assert_eq!(whole, (b"Wiki0123456789abcdef".to_vec(), WHOLE.len(), true));
        for at in 0..WHOLE.len() {
            let (left, right) = WHOLE.split_at(at);
            assert_eq!(read(&[left, right]).unwrap(), whole, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = WHOLE.chunks(1).collect();
        assert_eq!(read(&bytes).unwrap(), whole);
    }

    #[test]
    fn what_follows_the_body_is_left_alone() {
        let (body, used, done) = read(&[b"1\r\na\r\n0\r\n\r\nHTTP/1.1 200 OK"]).unwrap();
        assert_eq!((body.as_slice(), used, done), (b"a".as_slice(), 11, true));
    }

    #[test]
    fn a_body_without_its_end_is_not_done() {
        assert!(!read(&[b"1\r\na\r\n0\r\n"]).unwrap().2);
    }

    #[test]
    fn what_is_no_size_is_refused() {
        assert_eq!(read(&[b"xyz\r\n"]), Err(NoChunk));
        assert_eq!(read(&[b"1\r\nab\r\n"]), Err(NoChunk));
        assert_eq!(read(&[b"ffffffffffffffffffff\r\n"]), Err(NoChunk));
    }
}
