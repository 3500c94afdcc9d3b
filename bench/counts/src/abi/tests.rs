use super::*;

#[test]
fn a_block_of_headers_is_read_as_it_was_written() {
    let pairs: Pairs = vec![(b":path".into(), b"/v1".into()), (b"x-empty".into(), b"".into())];
    let block = write_pairs(&pairs);
    assert_eq!(block.get(..12).unwrap(), [2, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0]);
    assert_eq!(read_pairs(&block), Some(pairs));
}

#[test]
fn a_block_that_is_cut_short_is_not_read() {
    let block = write_pairs(&vec![(b"name".into(), b"value".into())]);
    for length in 0..block.len() - 1 {
        assert_eq!(read_pairs(block.get(..length).unwrap()), None, "of {length} bytes");
    }
}
