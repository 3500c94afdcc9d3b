//! Decides how a command is written: an array of bulk strings.

/// Writes a command with its arguments, each as it is.
pub fn push_command<'a>(
    out: &mut Vec<u8>,
    words: impl IntoIterator<Item = &'a [u8], IntoIter: ExactSizeIterator>,
) {
    let words = words.into_iter();
    push_length(out, b'*', words.len());
    for word in words {
        push_length(out, b'$', word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

fn push_length(out: &mut Vec<u8>, mark: u8, length: usize) {
    out.push(mark);
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        let mut out = Vec::new();
        push_command(&mut out, [b"GET".as_slice(), b"a\r\nb"]);
        push_command(&mut out, [b"QUIT".as_slice()]);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n*1\r\n$4\r\nQUIT\r\n");
    }
}
