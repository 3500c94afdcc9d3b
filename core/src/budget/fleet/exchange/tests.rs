use proptest::prelude::*;

use super::*;
use crate::base::money::PicoUsd;
use crate::budget::fleet::failure::{DENIED, UNAVAILABLE};
use crate::config::Secret;

fn item() -> Item {
    Item {
        key: "farebox:{day}:team/red:1000".into(),
        id: "i1.7".into(),
        sequence: 3,
        answered: 2,
        forgives: false,
        from: 1_000,
        till: 2_000,
        tail: 500,
        limits: Limits { usd: Some(PicoUsd(5_999)), requests: Some(9), ..Limits::default() },
        charged: Units::of([1, 2, 3, 4]),
        need: Units::of([5, 6, 7, 8]),
        unit: Units::of([9, 10, 11, 12]),
        wish: 13,
        bound: None,
        asks: vec![Units::of([14, 15, 16, 17])],
        seed: None,
    }
}

#[test]
fn an_item_is_written_as_the_script_reads_it() {
    assert_eq!(
        item().text(),
        "i1.7 3 2 c 1000 2000 500 5 - - - 9 1 2 3 4 5 6 7 8 9 10 11 12 13 1 14 15 16 17"
    );
    let bound = Some(Bound { name: "run/red".into(), stamp: 21, most: 22 });
    let seed = Some((Units::of([23, 24, 25, 26]), Units::of([27, 28, 29, 30])));
    let item = Item { forgives: true, bound, seed, asks: vec![], limits: Limits::default(), ..item() };
    assert_eq!(
        item.text(),
        "i1.7 3 2 fsk 1000 2000 500 - - - - - 1 2 3 4 5 6 7 8 9 10 11 12 13 run/red 21 22 0 23 24 25 26 27 28 29 30"
    );
}

#[test]
fn an_exchange_says_who_it_is_first_and_brings_the_script_if_it_must() {
    let header = Header { revision: 1, epoch_ms: 2, grace_ms: 3, recall_ms: 4 };
    let access = Access { username: Some("u".into()), password: Some(Secret::new("p")), db: 7 };
    let bytes = request(&access, &header, "farebox:mark", &[item()], true);
    let words: Vec<Value<'_>> = Replies::of(&bytes).collect();
    let text = |text: &'static str| Value::Text(text.as_bytes());
    assert_eq!(words[0], Value::Array(vec![text("AUTH"), text("u"), text("p")]));
    assert_eq!(words[1], Value::Array(vec![text("SELECT"), text("7")]));
    assert_eq!(words[2], Value::Array(vec![text("SCRIPT"), text("LOAD"), text(script::TEXT)]));
    let item = item().text();
    let call = [
        text("EVALSHA"),
        text(script::SHA),
        text("2"),
        text("farebox:mark"),
        text("farebox:{day}:team/red:1000"),
        text("1 2 3 4"),
        Value::Text(item.as_bytes()),
    ];
    assert_eq!(words[3], Value::Array(call.to_vec()));
}

#[test]
fn an_exchange_that_is_cut_has_the_answers_that_are_whole() {
    let bytes = b"+OK\r\n*5\r\n:10\r\n:11\r\n:0\r\n$29\r\n0 1 1 1 2 3 4 5 6 7 8 9 9 9 9\r\n$5\r\n6 1 0\r\n";
    let first = Answer {
        status: Status::Done,
        more: More::Refused,
        tight: true,
        granted: Units::of([1, 2, 3, 4]),
        spent: Units::of([5, 6, 7, 8]),
        allotted: Units::of([9, 9, 9, 9]),
    };
    let whole = reply(bytes).unwrap();
    assert_eq!(whole.head, ReplyHead { now_ms: 10, revision: 11, grace_left_ms: 0 });
    assert_eq!(whole.answers[0], first);
    assert_eq!((whole.answers.len(), whole.answers[1].status), (2, Status::TooMany));
    assert_eq!(reply(&bytes[..bytes.len() - 4]).unwrap().answers, [first]);
    assert_eq!(reply(&bytes[..20]), Err(Failure::Unknown(String::new())));
    assert_eq!(reply(b""), Err(Failure::Unknown(String::new())));
}

#[test]
fn an_error_in_place_of_the_answers_says_whether_anything_was_applied() {
    let of = |error: &str| reply(format!("+OK\r\n-{error}\r\n").as_bytes()).unwrap_err();
    assert_eq!(of("NOSCRIPT No matching script."), Failure::NoScript);
    assert_eq!(of("MOVED 15495 10.0.0.7:6379"), Failure::Moved("10.0.0.7:6379".into()));
    for address in ["fd00::7:6379", "[fd00::7]:6379"] {
        assert_eq!(of(&format!("MOVED 7 {address}")), Failure::Moved("[fd00::7]:6379".into()));
    }
    for code in UNAVAILABLE {
        assert!(matches!(of(&format!("{code} why")), Failure::Unavailable(_)), "{code}");
    }
    for code in DENIED {
        assert!(matches!(of(&format!("{code} why")), Failure::Denied(_)), "{code}");
    }
    for error in ["ERR what", "WRONGTYPE Operation", "MOVED 7", "EXECABORT"] {
        assert!(matches!(of(error), Failure::Unknown(_)), "{error}");
    }
}

#[test]
fn a_script_that_ran_with_another_user_than_the_configured_one_may_have_been_applied() {
    // So do Redis 6.2 and Valkey 9.1 if the user `default` needs no password.
    let bytes =
        b"-WRONGPASS invalid username-password pair or user is disabled.\r\n*3\r\n:10\r\n:11\r\n:0\r\n";
    let failure = reply(bytes).unwrap_err();
    assert!(matches!(failure, Failure::Denied(_)) && !failure.applied_nothing(), "{failure:?}");
    let of = |error: &str| reply(format!("-{error}\r\n").as_bytes()).unwrap_err().applied_nothing();
    assert!(of("NOAUTH Authentication required.") && of("OOM command not allowed"));
    assert!(
        !of("NOPERM no permissions to run the 'pexpireat' command") && !of("ERR DB index is out of range")
    );
}

#[test]
fn an_error_that_redis_6_quotes_from_the_script_is_read_as_that() {
    let of = |error: &str| {
        let quoted = format!(
            "-ERR Error running script (call to f_b594): @user_script:65: @user_script: 65: -{error}\r\n"
        );
        reply(quoted.as_bytes()).unwrap_err()
    };
    let full = "OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(of(full), Failure::Unavailable(full.into()));
    let replica = "READONLY You can't write against a read only replica.";
    assert_eq!(of(replica), Failure::Unavailable(replica.into()));
    assert!(matches!(of("WRONGTYPE Operation"), Failure::Unknown(_)));
    let other = "ERR Error running script (call to f_b594): @user_script:65: user_script:65: no number";
    assert!(matches!(reply(format!("-{other}\r\n").as_bytes()), Err(Failure::Unknown(_))));
}

#[test]
fn every_beginning_of_a_reply_gives_answers_of_the_whole() {
    let answer = "$29\r\n0 1 1 1 2 3 4 5 6 7 8 9 9 9 9\r\n".repeat(3);
    let bytes = format!("+OK\r\n*6\r\n:10\r\n:11\r\n:0\r\n{answer}");
    let whole = reply(bytes.as_bytes()).unwrap();
    for end in 0..bytes.len() {
        match reply(&bytes.as_bytes()[..end]) {
            Ok(part) => assert_eq!(part.answers, whole.answers[..part.answers.len()]),
            Err(failure) => assert!(!failure.applied_nothing() && end < 25, "{end}: {failure:?}"),
        }
    }
}

proptest! {
    #[test]
    fn an_exchange_of_any_bytes_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = reply(&bytes);
    }
}
