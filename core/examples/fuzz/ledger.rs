//! The rules that hold for every reply of a ledger: what is read of a part of it is read of the whole.

use farebox_core::budget::fleet::exchange;
use farebox_core::resp::Replies;

use crate::mutation::Random;

const REPLIES: [&[u8]; 7] = [
    b"*5\r\n:1893456000000\r\n:4\r\n:0\r\n$29\r\n0 0 0 0 0 0 7 0 0 0 1 0 0 0 7\r\n$29\r\n0 2 1 0 0 0 0 0 0 0 1 0 0 0 7\r\n",
    b"+OK\r\n+OK\r\n*5\r\n:1893456000000\r\n:4\r\n:2000\r\n$5\r\n5 1 0\r\n$29\r\n3 2 0 0 0 0 0 0 0 0 1 0 0 0 7\r\n",
    b"-NOSCRIPT No matching script. Please use EVAL.\r\n",
    b"-MOVED 15495 10.0.0.7:6379\r\n",
    b"-WRONGPASS invalid username-password pair or user is disabled.\r\n-NOAUTH Authentication required.\r\n",
    b"-ERR Error running script (call to f_6ce9): @user_script:46: @user_script: 46: -OOM command not allowed.\r\n",
    b"*2\r\n*-1\r\n*2\r\n$-1\r\n*1\r\n$2\r\n\r\n\r\n:-1\r\n",
];

pub(crate) fn reply(random: &mut Random) -> Result<(), String> {
    let (one, other) = (random.one_of(&REPLIES), random.one_of(&REPLIES));
    let bytes = random.damage(one, other);
    let part = &bytes[..random.below(bytes.len() + 1)];
    let told = |rule: &str| Err(format!("{rule}: {} of {}", part.escape_ascii(), bytes.escape_ascii()));
    let (read, begun): (Vec<_>, Vec<_>) = (Replies::of(&bytes).collect(), Replies::of(part).collect());
    let whole = begun.len().saturating_sub(1);
    if begun.len() > read.len() || begun[..whole] != read[..whole] {
        return told("a part has other values than the whole");
    }
    match (exchange::reply(&bytes), exchange::reply(part)) {
        (Ok(read), Ok(begun)) if !read.answers.starts_with(&begun.answers) => {
            told("a part has other answers than the whole")
        }
        (Err(failure), Ok(_)) if failure.applied_nothing() => told("a call was answered and had no effect"),
        (Ok(_), Err(failure)) if failure.applied_nothing() => told("what was cut had no effect"),
        _ => Ok(()),
    }
}
