//! Decides how an input is damaged.

use farebox_readers::dice::Dice;

/// What parsers stumble over, put anywhere.
const WORDS: [&[u8]; 32] = [
    b"\"usage\":",
    b"\"usage\":null,",
    b"\"prompt_tokens\":7,",
    b"\"choices\":[],",
    b"\"model\":\"x\",",
    b"\"iterations\":[{\"input_tokens\":1}],",
    b"\"bytes\":\"e30=\"",
    b"\n\n",
    b"\r\n\r\n",
    b"\r",
    b"data:",
    b"data: [DONE]\n\n",
    b": comment\n",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\u0065",
    b"\\ud800",
    b"null",
    b"-1",
    b"1e400",
    b"99999999999999999999",
    b"0.1",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"--",
    b"%2F",
    b"/",
];
/// Longer inputs are cut: what matters happens in short ones too.
const MAX_BYTES: usize = 16 * 1024;

/// Damage that a seed repeats.
#[derive(Clone, Debug)]
pub(crate) struct Random(Dice);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Dice::new(seed))
    }

    /// A number below `end`, which is not zero.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.0.below(end as u64)).unwrap()
    }

    pub(crate) fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// A range within `length` bytes.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let (one, other) = (self.below(length + 1), self.below(length + 1));
        one.min(other)..one.max(other).min(one.min(other) + 200)
    }

    /// `seed` after up to five changes, some of which take from `other`.
    pub(crate) fn damage(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..self.below(6) {
            let range = self.range(bytes.len());
            match self.below(8) {
                0 if !bytes.is_empty() => {
                    let at = self.below(bytes.len());
                    bytes[at] ^= 1 << self.below(8);
                }
                1 => bytes.truncate(range.end),
                2 => drop(bytes.drain(range)),
                3 => {
                    let part = bytes[range.clone()].to_vec();
                    bytes.splice(range.end..range.end, part);
                }
                4 => {
                    let part = other[self.range(other.len())].to_vec();
                    bytes.splice(range, part);
                }
                5 => {
                    let digits = bytes.iter().enumerate().filter(|(_, byte)| byte.is_ascii_digit());
                    let digits: Vec<usize> = digits.map(|(at, _)| at).collect();
                    if !digits.is_empty() {
                        let at = *self.one_of(&digits);
                        bytes.splice(at..=at, self.one_of(&WORDS[21..26]).to_vec());
                    }
                }
                _ => {
                    let at = range.start;
                    bytes.splice(at..at, self.one_of(&WORDS).to_vec());
                }
            }
        }
        bytes.truncate(MAX_BYTES);
        bytes
    }

    /// `bytes` in pieces, the last of which may be empty.
    pub(crate) fn pieces<'b>(&mut self, bytes: &'b [u8]) -> Vec<&'b [u8]> {
        let mut cuts: Vec<usize> = (0..self.below(6)).map(|_| self.below(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
    }
}
